/**
 * Server-sent events out of a body (HTML Standard 9.2.6), as far as our own server sends them. Lines are bounded. Non-job:
 * asking for them (command.ts).
 */

export interface ServerEvent {
  readonly id: string | null;
  readonly type: string;
  readonly data: string;
}
/** Characters of an event that are kept. */
const LONGEST = 1 << 20;

/** Until the body ends. @throws what reading it throws. */
export async function* eventsIn(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<ServerEvent> {
  let rest = "", id: string | null = null, type = "message", data: string[] = [];
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!.slice(-LONGEST);
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { id, type, data: data.join("\n") };
        [type, data] = ["message", []];
        continue;
      }
      const colon = line.indexOf(":"), name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "data" && data.length < 1000) data.push(value);
      else if (name === "event") type = value;
      else if (name === "id") id = value;
    }
  }
}
