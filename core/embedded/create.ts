/**
 * The door to a whole server inside another program. It stands in "postern", which runs anywhere and must stay small: so
 * the server's modules are loaded by the call, by an address that bundlers do not follow. Non-job: the server (server.ts).
 */
import type { EmbeddedOptions, EmbeddedServer } from "./embedded.ts";

/** Its module, beside this one: no literal of an import, which every bundle and every worker would follow. */
const SERVER = "./server.ts";
/** What it has. */
interface ServerModule {
  openServer(options: EmbeddedOptions): Promise<EmbeddedServer>;
}

/**
 * Starts a server inside this program, for its tests or as a part of it: on a free port, with its mail in memory. It
 * prints nothing, writes nothing, takes no signals and no environment variables; any number of them run side by side.
 *
 * A program that is made into one file by `deno compile` imports it from "postern/server", where nothing is loaded late.
 *
 * @throws {ConfigError} with the path of each fault, as for a file. {Error} when an address cannot be had.
 * @example The mail that a program sends, and a plugin in front
 * ```ts
 * import { createServer, on, reject } from "postern";
 * import { createTransport } from "nodemailer";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const no_lists = on("rcpt", (ctx, next) => ctx.recipient.address.local === "all" ? reject("5.7.1", "No lists") : next());
 * await using server = await createServer({ plugins: [no_lists] });
 *
 * const client = createTransport({ host: server.host, port: server.port });
 * const mail = { from: "shop@example.org", to: "bob@example.net", subject: "Your order", text: "It is on its way." };
 * await client.sendMail(mail);
 * const { subject, text, envelope } = await server.nextMessage({ to: "bob@example.net" });
 * assertEquals([subject, text?.trim(), envelope.from], ["Your order", "It is on its way.", "shop@example.org"]);
 *
 * await assertRejects(() => client.sendMail({ ...mail, to: "all@example.net" }), Error, "5.7.1 No lists");
 * assertEquals((await server.messages()).length, 1);
 * ```
 */
export async function createServer(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  const { openServer } = await import(new URL(SERVER, import.meta.url).href) as ServerModule;
  return await openServer(options);
}
