/**
 * The texts of a new plugin. Lines are short, so that `deno fmt` changes nothing of them at any width of 80 and more.
 * Non-job: where they go (write.ts).
 */

/** The plugin. */
export const moduleText = (name: string): string =>
  `/**
 * ${name}: takes no mail from domains that nobody wants to hear from, and
 * writes into the header of all other mail that it has looked.
 */
import { definePlugin, DomainSet, isDomainPattern, reject } from "postern";
import { z } from "zod";

/** What stands behind the plugin's name in postern.yaml. */
const Options = z.strictObject({
  domains: z.array(z.string().refine(isDomainPattern, "must be a domain"))
    .default([])
    .describe("Senders that are refused; *.name is all below a name."),
});

/** Refuses unwanted senders, marks the mail of others. */
export const ${name} = definePlugin({
  name: "${name}",
  options: Options,
  create({ domains }, { name }) {
    const unwanted = new DomainSet(domains);
    return {
      mail(ctx, next) {
        if (ctx.sender === null) return next(); // a report about our own mail
        if (!unwanted.has(ctx.sender.domain)) return next();
        return reject("5.7.1", "No mail from there, please");
      },
      data(ctx, next) {
        ctx.prependHeader("X-Looked-At-By", name);
        return next();
      },
    };
  },
});

export default ${name};
`;

/** Its test. */
export const testText = (name: string): string =>
  `/** ${name}: what it refuses, what it lets through, what it may be told. */
import { on, OptionsError, simulate } from "postern";
import { match, strictEqual, throws } from "node:assert/strict";
import plugin from "./mod.ts";

const unwanted = plugin({ domains: ["example.net", "*.example.net"] });
/** Stands for whoever knows the recipients. */
const anybody = on("rcpt", (ctx, next) => {
  ctx.route({ to: "local", plugin: "inbox" });
  return next();
});

Deno.test("refuses a domain and all below it", async () => {
  for (const from of ["eve@example.net", "eve@mail.example.net"]) {
    const mail = { from, to: "bob@example.org" };
    const { reply } = await simulate([unwanted, anybody], mail);
    strictEqual(String(reply), "550 5.7.1 No mail from there, please");
  }
});

Deno.test("takes other mail, and reports, and marks them", async () => {
  for (const from of ["alice@example.com", null]) {
    const mail = { from, to: "bob@example.org" };
    const { reply, output } = await simulate([unwanted, anybody], mail);
    strictEqual(reply.verdict, "accept");
    match(output, /^X-Looked-At-By: \\w+\\r\\n/m);
  }
});

Deno.test("tells a domain from something else", () => {
  throws(() => plugin({ domains: ["no domain"] }), OptionsError);
});
`;

/** What a person does with it. */
export const readmeText = (name: string): string =>
  `# ${name}

Refuses mail from domains that nobody wants to hear from, and marks the rest.

| option    | default | meaning                                                |
| --------- | ------- | ------------------------------------------------------ |
| \`domains\` | none    | Senders that are refused; \`*.name\` is all below a name |

Test it, then run a server with it:

\`\`\`sh
deno test plugins/${name}/
deno task postern serve
\`\`\`

The server reads \`postern.yaml\`, in which it has its place:

\`\`\`yaml
plugins:
${entryText(name)}
  - inbox: { everything: true }
\`\`\`
`;

/** The entry of a configuration, as it stands below `plugins:`. */
export function entryText(name: string): string {
  return `  - ./plugins/${name}/mod.ts:\n      domains: [example.net]`;
}

/** What makes a folder one in which "postern" is known. `links`: folders of a checkout. */
export function projectText({ version, zod, links }: {
  readonly version: string;
  readonly zod: string;
  readonly links: readonly string[];
}): string {
  const postern = `jsr:@postern/postern@${version}`;
  const may = ["net", "read", "write", "env", "sys", "run=deno"].map((each) => `--allow-${each}`).join(" ");
  const run = `deno run --no-prompt ${may} ${postern}/cli`;
  return `${
    JSON.stringify(
      {
        ...links.length > 0 && { links },
        imports: { postern, zod },
        tasks: { postern: run },
        unstable: ["worker-options"],
      },
      null,
      2,
    )
  }\n`;
}
