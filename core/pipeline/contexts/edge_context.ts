/**
 * What a handler sees after the last octet wherever the message came from: a session of SMTP, or the event of an edge
 * platform, where nobody here has seen who brought it. Types only. Non-job: hosting it (core/edge).
 */
import type { MailParameters } from "../../model/envelope.ts";
import type { Client, MessageContext } from "./contexts.ts";

/**
 * All that an edge host knows. Write a handler against this and it runs in both places.
 *
 * @example
 * ```ts
 * import { defineMessagePlugin, runPhase } from "postern";
 * import { z } from "zod";
 * import { assertEquals } from "@std/assert";
 * const whence = defineMessagePlugin({
 *   name: "whence",
 *   options: z.strictObject({}),
 *   create: () => ({
 *     data: (ctx, next) => (ctx.prependHeader("X-From-IP", ctx.peer?.ip ?? "nobody knows"), next()),
 *   }),
 * });
 * const { output } = await runPhase(whence(), "data", { ip: "192.0.2.1", message: "Subject: x\n\nhi\n" });
 * assertEquals(output.split("\r\n")[0], "X-From-IP: 192.0.2.1");
 * ```
 */
export interface EdgeContext extends MessageContext {
  /**
   * Who brought it: `client` of a session. Null on an edge host: the platform took it, and what it says of the peer is
   * words in a header, which anybody can write. Then nobody has logged in, and nobody is near.
   */
  readonly peer: Client | null;
  /** What MAIL said besides the address. On an edge host nobody was asked: 8-bit headers and bodies are in order there. */
  readonly parameters: MailParameters;
  /**
   * Another body behind the header section, which the header verbs change. Whatever was signed breaks by it; observers are
   * told so. The received octets are kept beside it, and plugins go on to see them: see `message.content()`. Several: the
   * last counts. Resolves when the body is spooled.
   */
  rewrite(body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>, reason: string): Promise<void>;
}
