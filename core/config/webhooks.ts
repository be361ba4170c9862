/** Hooks that are told of events, as the configuration gives them. Non-job: telling them (core/webhooks). */
import { z } from "zod";
import { isLoopback, Networks } from "../model/ip.ts";
import { type Hook, HOOK_EVENTS } from "../webhooks/hook.ts";
import { keyIn } from "../webhooks/signature.ts";
import type { Faults } from "./faults.ts";
import { duration } from "./units.ts";
import { count, oneOrMore, text } from "./values.ts";

const PRIVATE = new Networks([
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "fc00::/7",
  "fe80::/10",
]);
const SECRET = "whsec_ and the base64 of 24 to 64 octets: `openssl rand -base64 32`";

const secret = z.string().transform((value, context) => {
  const key = keyIn(value);
  if (key !== null) return key;
  context.addIssue(`must be ${SECRET}`); // without the value: it is one
  return z.NEVER;
});

export const Webhook = z.strictObject({
  name: z.string().regex(/^[\w-]{1,64}$/, { error: "must be letters, digits, - and _" }).optional()
    .describe("By which logs and the API know it; the host of its URL unless given."),
  url: text(hookUrl, "https, or http to this machine or a private network, without user and password")
    .describe("Where events are POSTed: https, or http to this machine or a private network."),
  events: z.array(z.enum(HOOK_EVENTS)).min(1).describe("What it is told of."),
  secret: oneOrMore(secret).describe("What requests are signed with; while keys change, the new one and the old one."),
  timeout: duration({ min: 1000, max: 60_000 }).prefault("10s").describe("How long one request may take."),
  keep: count().prefault(10_000).describe("How many events wait at most; what comes then is dropped and counted."),
  expire: duration({ min: 60_000 }).prefault("3d").describe("How long an event is worth telling."),
});

/** The hooks, each fault with its place. */
export function readWebhooks(written: readonly z.output<typeof Webhook>[], faults: Faults): Hook[] {
  const names = new Set<string>();
  return written.map(({ name = null, url, events, secret, ...rest }, index) => {
    const given = name ?? new URL(url).hostname;
    if (names.has(given)) {
      faults.add(["webhooks", index, name === null ? "url" : "name"], `"${given}" stands here twice`);
    }
    names.add(given);
    return { ...rest, name: given, url, events: [...new Set(events)], secrets: secret };
  });
}

function hookUrl(value: string): string | null {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    return null;
  }
  if (value.length > 2000 || url.username !== "" || url.password !== "") return null;
  const near = url.protocol === "http:" && isNear(url.hostname.replace(/^\[(.*)\]$/, "$1"));
  return url.protocol === "https:" || near ? url.href : null;
}

/** A name of one label is none of the world's. */
function isNear(host: string): boolean {
  return isLoopback(host) || PRIVATE.has(host) || /^[\w-]+$/.test(host);
}
