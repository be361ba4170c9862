/**
 * A worker for tests, bundled and run in workerd: takes web requests and events, and hands them on over the platform's TCP
 * sockets; what is for `reply` it answers.
 */
import { type EdgeConnect, edgeHost, type EmailMessageClass, relayTo } from "postern/edge";
import { type EdgePhases, MemoryResolver, type Plugin, withPolicy } from "postern";

interface Env {
  readonly HOST: string;
  readonly PORT: string;
  readonly TLS: "none" | "starttls";
}

/** Never answers for some messages. */
const hanging: Plugin<EdgePhases> = {
  name: "hanging",
  handlers: {
    data: (ctx, next) => ctx.message.header("Subject") === "hang" ? new Promise(() => {}) : next(),
  },
};

/** What `main.js` of the tests is given by the platform. */
export function make({ connect, EmailMessage }: {
  readonly connect: EdgeConnect;
  readonly EmailMessage: EmailMessageClass;
}) {
  const common = { host: { name: "edge.example.org" }, dns: new MemoryResolver({}) };
  const relaying = edgeHost<Env>(({ HOST, PORT, TLS }) => ({
    ...common,
    plugins: [withPolicy(hanging, { deadline: 300 }), {
      name: "tag",
      handlers: { data: (ctx, next) => (ctx.prependHeader("X-Edge", ctx.id), next()) },
    }],
    auth: { secret: "0123456789abcdef" },
    deliver: relayTo({
      connect,
      host: HOST,
      port: Number(PORT),
      tls: TLS,
      hostname: "edge.example.org",
      login: { user: "edge", password: "secret" },
    }),
  }));
  const answering = edgeHost({
    ...common,
    plugins: [],
    emailMessage: EmailMessage,
    deliver: {
      carries: "x-fields",
      async deliver(mail) {
        const id = mail.message.header("Message-ID") ?? "";
        await mail.reply(
          `From: ann@example.org\r\nTo: amy@example.net\r\nMessage-ID: <2@example.org>\r\nIn-Reply-To: ${id}\r\n` +
            `References: ${id}\r\nSubject: Re\r\n\r\nThanks\r\n`,
        );
      },
    },
  });
  return { fetch: relaying.fetch, email: answering.email };
}
