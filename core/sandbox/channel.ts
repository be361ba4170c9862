/**
 * The way between the host and a plugin that runs apart from it: messages out, messages in, and the word that nobody is
 * there any more. An interface: worker_channel.ts is one to a Worker, process_channel.ts one to a process.
 * Non-job: what the messages say (wire.ts), whether the other side is still well (host.ts).
 */

/** What code inside may do with the system; what is not named it may not. */
export interface Permissions {
  /** Hosts that it may connect to: `host`, `host:port`, `*.example.org:443`. */
  readonly net: readonly string[];
  /** Absolute paths that it may read, with all that is below them. */
  readonly read: readonly string[];
  /** Variables of the environment that it may read. */
  readonly env: readonly string[];
}

/** What is run apart, and under which bounds. */
export interface ChannelSpec {
  /** What it is called, for those who look at the threads and processes of a machine. */
  readonly name: string;
  /** The text of the root module, JavaScript: it begins the shim, and then the plugin. */
  readonly root: string;
  /** Paths that it may read until its modules are loaded; the root module gives them up then. */
  readonly loading?: readonly string[];
  /** Hosts that it may load modules from until then. */
  readonly hosts?: readonly string[];
  /** What it may do. */
  readonly permissions: Permissions;
  /** The most octets of memory it may take, where the channel can hold it to that; null: as much as there is. */
  readonly memory: number | null;
}

/**
 * One life of a plugin apart. Messages keep their order in both directions and are structured clones: what comes in is
 * inert data (no getters, no prototypes of the sender's), but may be any data. What is posted before the root module runs
 * is kept for it.
 */
export interface Channel {
  /**
   * Sends a message. After the end it does nothing. Buffers in `transfer` are given away where that is possible, else copied.
   *
   * @throws {DOMException} DataCloneError: the message holds something that cannot cross. Nothing was sent then.
   */
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** What is told of every message that comes; the host sets it before it posts the first. */
  onmessage: (message: unknown) => void;
  /**
   * Told once when the other side has ended by itself, with why, in a few words: what it threw, how its process ended.
   * Never called from within `post`, nor after `end`.
   */
  onend: (why: string) => void;
  /** Ends it, whatever it does. At once: no message comes after this. */
  end(): void;
}

/**
 * Begins one.
 *
 * @throws {ChannelError} in words for the operator when this server cannot: it lacks a permission that it would have to give away,
 * or the flag that lets it give less than it has. What goes wrong later is told by `onend`.
 */
export type OpenChannel = (spec: ChannelSpec) => Channel;

/** This server cannot begin such a channel, ever: as it was started, or where it runs. */
export class ChannelError extends Error {
  /** Tells it from other errors. */
  override readonly name = "ChannelError";
}
