/** The configuration as people are shown it: where each value came from, and that no secret is among them. */
import { assert, assertEquals } from "@std/assert";
import { loadConfig } from "../../../core/config/load.ts";
import { MASK, settingsOf } from "../../../core/config/settings.ts";
import { TempFolder } from "../../support/temp.ts";

const SECRETS = [
  "hunter2hunter2hunter2",
  "sesame-sesame-sesame",
  "deep-secret-value",
  "from-the-environment",
  "zaphod42",
];
const KEY = new Uint8Array(32).fill(7).toBase64();
const FILE = `hostname: mx.example.org
data: \${DATA}
listeners:
  - { address: "127.0.0.1:0" }
  - { address: "127.0.0.1:0", name: second, plugins: [relay] }
domains: [example.org, example.net]
limits: { messageSize: 10MiB }
nextHops:
  smart:
    hosts: [smtp://relay.example.net]
    auth: { user: me, password: "${SECRETS[0]}" }
  web:
    hosts: ["https://app.example.org/mail"]
    secret: "${SECRETS[1]}"
    headers: { X-Whatever: "${SECRETS[2]}" }
  other:
    hosts: [smtp://relay2.example.net]
    auth: { user: "x-\${SECRET:-fallback}", password: "\${SECRET}" }
plugins:
  - relay: { networks: ["192.0.2.0/24"] }
  - "null_mx":
    when: { network: 127.0.0.1 }
  - maildir: { root: ./mail }
admin: { address: "127.0.0.1:0", token: "${SECRETS[1]}" }
webhooks:
  - { name: a, url: "https://hooks.example.net/T0/${SECRETS[2]}?k=${
  SECRETS[1]
}", events: [held], secret: "whsec_${KEY}" }
  - { name: b, url: "https://hooks.example.net/\${SECRET}/${SECRETS[2]}", events: [held], secret: "whsec_${KEY}" }
  - { name: c, url: "\${HOOK}", events: [held], secret: "\${KEY}" }
`;

Deno.test("settings: what the file says, what is a default, what came from the environment; secrets are masked", async () => {
  await using folder = await TempFolder.make();
  await Deno.writeTextFile(`${folder.path}/postern.yaml`, FILE);
  const env = {
    SECRET: SECRETS[3],
    DATA: `${folder.path}/data`,
    POSTERN_LOG: "debug",
    POSTERN_SMTP: "127.0.0.1:2626",
    KEY: `whsec_${KEY}`,
    HOOK: `https://hooks.example.net/${SECRETS[2]}`,
  };
  const { settings } = await loadConfig({ file: `${folder.path}/postern.yaml`, env, cwd: folder.path });
  const shown = new Map(settings.map(({ path, value, from }) => [path, `${value} (${from})`]));
  const expected: Record<string, string | undefined> = {
    "hostname": "mx.example.org (file)",
    "data": "${DATA} (environment)",
    "listeners[0].address": "127.0.0.1:2626 (environment)",
    "listeners[1].address": "127.0.0.1:0 (file)",
    "listeners[1].plugins": "[relay] (file)",
    "domains": "[example.org, example.net] (file)",
    "limits.messageSize": "10MiB (file)",
    "limits.recipients": "1000 (default)",
    "delivery.tls.mtaSts": "true (default)",
    "nextHops.smart.auth.user": "me (file)",
    "nextHops.smart.auth.password": `${MASK} (file)`,
    "nextHops.web.hosts": "[https://app.example.org/mail] (file)",
    "nextHops.web.secret": `${MASK} (file)`,
    "nextHops.web.headers.X-Whatever": `${MASK} (file)`,
    "nextHops.other.auth.user": "x-${SECRET} (environment)",
    "nextHops.other.auth.password": "${SECRET} (environment)",
    "plugins[0].relay.networks": "[192.0.2.0/24] (file)",
    "plugins[1].when.network": "127.0.0.1 (file)",
    "admin.token": `${MASK} (file)`,
    "webhooks[0].url": `https://hooks.example.net/${MASK} (file)`,
    "webhooks[0].secret": `${MASK} (file)`,
    "webhooks[1].url": `https://hooks.example.net/${MASK} (environment)`,
    "webhooks[2].url": "${HOOK} (environment)",
    "webhooks[2].secret": "${KEY} (environment)",
    "log.level": "debug (environment)",
    "postmaster": undefined,
    "tls.minVersion": undefined,
  };
  for (const [path, text] of Object.entries(expected)) assertEquals(shown.get(path), text, path);
  const whole = JSON.stringify(settings);
  for (const secret of [...SECRETS, KEY]) assert(!whole.includes(secret), secret);
});

Deno.test("settings: without a file all is a default, and a token of the environment is masked", async () => {
  const { settings } = await loadConfig({ file: null, env: { POSTERN_ADMIN_TOKEN: SECRETS[0] } });
  assertEquals(settings.find(({ path }) => path === "domains"), { path: "domains", value: "[*]", from: "default" });
  assertEquals(settings.find(({ path }) => path === "admin.token"), {
    path: "admin.token",
    value: MASK,
    from: "environment",
  });
  assertEquals(settings.filter(({ from }) => from === "file"), []);
});

Deno.test("settings: what an alias repeats of a variable is shown by its name too", async () => {
  await using folder = await TempFolder.make();
  const file = `${folder.path}/postern.yaml`;
  await Deno.writeTextFile(
    file,
    'hostname: &a "${NAME}"\ndomains: [*a]\nplugins: [relay]\nlisteners: [{ address: "127.0.0.1:0" }]\n',
  );
  const { settings } = await loadConfig({ file, env: { NAME: "hidden.example.org" }, cwd: folder.path });
  assertEquals(settings.find(({ path }) => path === "domains")?.value, "[${NAME}]");
});

Deno.test("settings: a login in a URL is masked, odd values stay one line, and long ones are cut", () => {
  const raw = {
    plugins: [{ hook: { url: "https://me:zaphod42@app.example.org/a", note: "a\nb\u0000", long: "x".repeat(1000) } }],
  };
  const shown = settingsOf(raw, { yaml: { filled: new Map(), written: new Map() }, env: {} });
  const values = shown.filter(({ path }) => path.startsWith("plugins[0]")).map(({ value }) => value);
  assertEquals(values, [`https://me:${MASK}@app.example.org/a`, "a b ", `${"x".repeat(400)}…`]);
});
