/** What an engine beside the server did wrong, told apart from our own mistakes. Non-job: what follows from it. */

/** An engine that cannot be reached, breaks off, is late, or says what it should not. */
export class EngineError extends Error {
  /** Tells it from other errors. */
  override readonly name = "EngineError";
}
