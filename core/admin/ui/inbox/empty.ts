/** The inbox before its first message: what would be here, and the next command to copy. */
import { type Html, markup } from "../html.ts";
import { MARK } from "../icons.ts";
import { command, type PageContext } from "../layout.ts";

/** Nothing has come yet: what would be here, and the next command to copy. */
export function empty(context: PageContext): Html {
  const { site } = context;
  const address = site.smtp[0] ?? "127.0.0.1:2525";
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^(?:0\.0\.0\.0|\[::\])$/, "127.0.0.1"), port = address.slice(colon + 1);
  const server = host === "127.0.0.1" && port === "2525" ? "" : ` --server ${host}:${port}`;
  const node = `nodemailer.createTransport({ host: "${host}", port: ${port} })\n` +
    `  .sendMail({ from: "me@example.org", to: "you@example.org", subject: "Hello", text: "It works" })`;
  return markup`
    <div class="first" id="empty">
      <div class="hero">${MARK}<div><h1>The gate stands. Nobody has knocked yet.</h1><p>${
    site.devInbox
      ? "Mail for every domain is taken into this inbox, and nothing leaves this machine."
      : "Mail for the dev inbox shows up here."
  } This page changes by itself when the first one comes.</p></div></div>
      <dl class="card wires">
        <div>
          <dt>Send mail to</dt>
          <dd><code>${host}:${port}</code></dd>
        </div>
        <div>
          <dt>Security</dt>
          <dd>none needed</dd>
        </div>
        <div>
          <dt>Data</dt>
          <dd><code>${site.data}</code></dd>
        </div>
        <div>
          <dt>Server</dt>
          <dd><code>${site.hostname}</code></dd>
        </div>
      </dl>
      <ol class="card steps">
        <li><h2>From a checkout of Postern</h2><p>The built-in client sends one message and prints the dialogue.</p>${
    command("c1", `deno task postern send${server} --to you@example.org`, { shell: true })
  }</li>${
    site.devInbox &&
    markup`<li><h2>What checks find, without a network</h2><p>A spam test, and mail from a host that its domain does not permit: each says on its page what a strict server would have done, and why.</p>${
      command(
        "c4",
        `deno task postern send${server} --to you@example.org --sample gtube\ndeno task postern send${server} --to you@example.org --sample spf-fail`,
        { shell: true },
      )
    }</li>`
  }
        <li><h2>With swaks</h2><p>The usual test client, in every distribution.</p>${
    command("c2", `swaks --server ${host}:${port} --to you@example.org --header "Subject: Hello"`, { shell: true })
  }</li>
        <li><h2>From your program</h2><p>Point its mail settings here. With nodemailer:</p>${
    command("c3", node, { shell: false })
  }</li>
      </ol>
      <section class="card pad gap">
        <h2>If nothing arrives</h2>
        <p class="soft">Is the program sending to port ${port}, not 25? In a container, 127.0.0.1 is the container itself: set <code>POSTERN_SMTP=0.0.0.0:${port}</code> and publish the port.</p>
      </section>
    </div>
  `;
}
