/**
 * Configurations that several tests run a server with. `local.example` is ours: box@ goes to the inbox, dir@ and dirN@ to a Maildir each;
 * everything else is to leave by a next hop that nobody listens at, and waits in the queue.
 */
import type { Config } from "../../core/config/config.ts";
import { loadConfig } from "../../core/config/load.ts";
import { TempFolder } from "./temp.ts";

/** What a configuration file with this text means. */
export async function configured(text: string): Promise<Config> {
  await using folder = await TempFolder.make();
  await Deno.writeTextFile(`${folder.path}/postern.yaml`, text);
  return await loadConfig({ env: {}, cwd: folder.path });
}

const HEAD = `hostname: mx.local.example
domains: [local.example]
postmaster: box@local.example
listeners: [{ address: "127.0.0.1:2525" }]
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
nextHops: { away: { hosts: ["smtp://127.0.0.1:1"] } }
delivery: { retry: [1s], routes: [{ to: remote, via: away }] }
`;

/** Everything into an inbox, and no plugin beside it. */
export const INBOX_CONFIG = `${HEAD}plugins: [{ inbox: { everything: true } }]
`;
/** Relay recipients only. */
export const RELAY_CONFIG = `${HEAD}plugins:
  - relay: { networks: ["127.0.0.0/8"] }
`;

/** A recipient of each kind: box, dir and dir0 to dir599, and strangers. */
export function mixedConfig(mailRoot: string): string {
  const many = Array.from({ length: 600 }, (_, number) => `dir${number}: maildir`).join(", ");
  return `${HEAD}plugins:
  - relay: { networks: ["127.0.0.0/8"] }
  - recipients: { accounts: { box: inbox, dir: maildir, ${many} } }
  - maildir: { root: ${JSON.stringify(mailRoot)} }
  - inbox
`;
}

export const BOX = "box@local.example";
export const DIR = "dir@local.example";
export const REMOTE = "friend@remote.example";
