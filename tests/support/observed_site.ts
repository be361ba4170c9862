/**
 * A server with something of everything to look at: a plugin that asks name service, local mail, mail that a next hop
 * takes, puts off or refuses, and what each of them looks like afterwards. Non-job: what is expected of it.
 */
import { accept, defer, reject } from "../../core/model/reply.ts";
import { answer, DnsServer, SOA, TXT } from "./dns_server.ts";
import { MailSink } from "./mail_sink.ts";

import { Server } from "./server.ts";
import { SmtpClient } from "./smtp_client.ts";
import { TempFolder } from "./temp.ts";

const PLUGIN = `import { definePlugin, reject } from "postern";
import { z } from "zod";
export default definePlugin({
  name: "asks",
  options: z.strictObject({}),
  create: () => ({
    async mail(ctx, next) {
      await ctx.dns.txt("probe.example");
      await ctx.dns.txt("missing.example").catch(() => []);
      return next();
    },
    data: (ctx, next) => ctx.sender?.local === "spam" ? reject("5.7.1", "Not wanted") : next(),
  }),
});
`;

export class ObservedSite implements AsyncDisposable {
  private constructor(
    readonly server: Server,
    readonly sink: MailSink,
    private readonly opened: AsyncDisposableStack,
  ) {}

  /** `more`: lines of the configuration. */
  static async start(
    { env = {}, more = "" }: { readonly env?: Readonly<Record<string, string>>; readonly more?: string } = {},
  ): Promise<ObservedSite> {
    await using opened = new AsyncDisposableStack();
    const folder = opened.use(await TempFolder.make());
    const plugin = await folder.file("asks.ts", PLUGIN);
    const sink = opened.use(
      await MailSink.open({
        rcpt: ({ local }) =>
          local === "no" ? reject("5.1.1", "No such user") : local === "later" ? defer("4.2.2", "Full") : accept(),
      }),
    );
    const names = opened.use(
      await DnsServer.start((asked) => [
        asked.name === "probe.example"
          ? answer(asked, [TXT("hello")])
          : answer(asked, [], { rcode: 3, authority: [SOA(600, 600)] }),
      ]),
    );
    const server = opened.use(
      await Server.start({
        env,
        config: `hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525", name: door }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
dns: { servers: ["127.0.0.1:${names.port}"] }
nextHops: { away: { hosts: ["smtp://127.0.0.1:${sink.port}"] } }
delivery: { retry: [1h], routes: [{ to: remote, via: away }] }
plugins:
  - ${JSON.stringify(plugin)}
  - relay: { networks: ["127.0.0.0/8"] }
  - recipients: { accounts: { box: inbox } }
  - inbox
${more}`,
      }),
    );
    return new ObservedSite(server, sink, opened.move());
  }

  /** One message in a session of its own; what the server said to its end. */
  async send(from: string, to: readonly string[]): Promise<string> {
    using client = await SmtpClient.ready(this.server.ports.smtp);
    await client.command(`MAIL FROM:<${from}>`, 250);
    for (const each of to) await client.command(`RCPT TO:<${each}>`);
    await client.command("DATA", 354);
    await client.send("Subject: Private matters\r\nMessage-ID: <1@a.example>\r\n\r\nhello\r\n.\r\n");
    const { raw } = await client.reply();
    await client.command("QUIT", 221);
    return raw;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened[Symbol.asyncDispose]();
  }
}
