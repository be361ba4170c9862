/**
 * What an edge host takes in and hands on: a message of a platform's event or of a web request, and the same once it was
 * accepted. Types. Non-job: deciding (host.ts), the platform's own shapes (email_event.ts, http_post.ts).
 */
import type { Address } from "../model/address.ts";
import type { AuthResult } from "../model/authres.ts";
import type { HeaderEdits } from "../model/envelope.ts";
import type { Reply } from "../model/reply.ts";
import type { Message, Recipient, Score } from "../pipeline/contexts/contexts.ts";
import type { Key, Scope } from "../pipeline/key.ts";

/** How it came. */
export type Via = "email" | "http";

/** A message that was accepted, on its way on. */
export interface EdgeMail {
  /** 26 characters, the same as in the log; the last eight stand in a refusal. */
  readonly id: string;
  /** How it came. */
  readonly via: Via;
  /** Null for `<>`. */
  readonly sender: Address | null;
  /** Who gets it: those that no plugin refused. */
  readonly recipients: readonly Recipient[];
  /** As received, its header with the edits. */
  readonly message: Message;
  /** Changes of its header: what a way out that cannot carry the whole message picks from. */
  readonly edits: HeaderEdits;
  /** The octets as they came. Read them, never write to them. */
  readonly received: Uint8Array<ArrayBuffer>;
  /** The whole message as it goes on, edits made. Read it, never write to it. */
  content(): Uint8Array<ArrayBuffer>;
  /** Why it is to wait for a person; null when it is not. */
  readonly held: string | null;
  /** Points, in the order they were given. */
  readonly scores: readonly Score[];
  /** What was found out about who sent it. */
  readonly authResults: readonly AuthResult[];
  /** Aborted when the time for handing it on is over. */
  readonly signal: AbortSignal;
  /** What plugins left. For a key of a recipient ask `recipients`. */
  get<T>(key: Key<T, Scope>): T | undefined;
}

/** Somebody who does not get it after all. */
export interface NotDelivered {
  /** One of `recipients`. */
  readonly recipient: Recipient;
  /** For now, or for good. */
  readonly reply: Reply<"defer" | "reject">;
}

/**
 * A way on that carries the whole message: another server, a bucket, a queue, a web hook.
 *
 * Resolves when everybody's copy is safe but of those it names. What it throws, or being late, is a temporary failure: the
 * platform comes again, and who had a copy already gets a second one.
 */
export interface EdgeDelivery {
  /** The changes of plugins go with it. */
  readonly carries: "message";
  /** Hands it on. */
  deliver(mail: EdgeMail): Promise<readonly NotDelivered[] | void>;
}

/** What the platform's event can do with its message. */
export interface EmailActions {
  /**
   * Sends the message on as it was received, to an address that the platform has verified, with more fields whose names
   * begin with `X-`.
   */
  forward(address: string, fields?: Headers): Promise<void>;
  /**
   * Answers the sender with a message of your own: header and body, with the In-Reply-To that platforms want.
   *
   * @throws {TypeError} where an answer would do harm: to `<>`, to lists and to other machines (RFC 3834 2), or where
   * `emailMessage` was not given.
   */
  reply(content: string | Uint8Array<ArrayBuffer>): Promise<void>;
}

/** A way on through the platform's own event: of the changes of plugins it carries `X-` fields alone. */
export interface EventDelivery {
  /** The body goes as it was received: a plugin that rewrites fails there, and the mail is put off. */
  readonly carries: "x-fields";
  /** Hands it on. */
  deliver(mail: EdgeMail & EmailActions): Promise<readonly NotDelivered[] | void>;
}
