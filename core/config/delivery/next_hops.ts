/**
 * From the entries of `nextHops` to next hops, each fault with its place. Non-job: the keys (schema.ts), the URLs
 * (core/delivery/next_hop.ts).
 */
import type { z } from "zod";
import type { HopAuth, HopHost, HopHttp, NextHop } from "../../delivery/next_hop.ts";
import { isIPv4 } from "../../model/ip.ts";
import type { Faults } from "../faults.ts";
import type { Path } from "../issue.ts";
import type * as schema from "./schema.ts";

type Written = z.output<typeof schema.NextHop>;

/** How long a request may take where nobody says. */
const HTTP_TIMEOUT = 60_000;
/** What only web hosts have. */
const HTTP_KEYS = ["format", "secret", "headers", "timeout"] as const;
/** Fields that say what a request is: nobody else may set them. */
const RESERVED = /^(?:host|content-.*|transfer-encoding|connection|idempotency-key|postern-.*)$/;

/** All of them by their names. */
export function readNextHops(written: Readonly<Record<string, Written>>, faults: Faults): Map<string, NextHop> {
  return new Map(
    Object.entries(written).map((
      [name, each],
    ) => [name, readNextHop(name, each, { faults, path: ["nextHops", name] })]),
  );
}

interface Where {
  readonly faults: Faults;
  readonly path: Path;
}

function readNextHop(name: string, written: Written, where: Where): NextHop {
  const { hosts, mx, concurrency = null, rate = null } = written;
  const { faults, path } = where;
  const web = hosts.some(({ kind }) => kind === "http");
  for (const [index, host] of hosts.entries()) {
    const at = [...path, "hosts", index];
    if (web !== (host.kind === "http")) {
      faults.add(at, "web hosts and mail hosts do not go together: give one of them a next hop of its own");
      break;
    }
    if (mx && !hasMx(host)) faults.add(at, "mx: true is for names of hosts that take SMTP: this one has no MX records");
  }
  return {
    name,
    hosts,
    auth: readAuth(written, web, where),
    mx,
    http: readHttp(written, web, where),
    concurrency,
    rate,
  };
}

function hasMx(host: HopHost): boolean {
  return host.kind === "smtp" && !host.lmtp && !host.host.includes(":") && !isIPv4(host.host);
}

function readAuth({ auth, hosts }: Written, web: boolean, { faults, path }: Where): HopAuth | null {
  if (auth === undefined) return null;
  const at = [...path, "auth"];
  if (web) faults.add(at, "web hosts know no SMTP login: set secret or headers", { key: true });
  else if (hosts.every(({ kind }) => kind === "unix")) {
    faults.add(at, "who may open a socket file is said by its permissions: leave auth out", { key: true });
  }
  const { user, password, token, inClear } = auth;
  if ((password === undefined) === (token === undefined)) {
    faults.add(
      at,
      password === undefined ? "needs a password, or a token" : "has a password and a token: which is it?",
    );
  }
  return token === undefined
    ? { user, password: password ?? "", inClear }
    : { user, password: token, token: true, inClear };
}

function readHttp(written: Written, web: boolean, { faults, path }: Where): HopHttp | null {
  if (!web) {
    for (const key of HTTP_KEYS) {
      if (written[key] !== undefined) faults.add([...path, key], "is for http and https only", { key: true });
    }
    return null;
  }
  const { format = "raw", secret = null, headers = {}, timeout = HTTP_TIMEOUT } = written;
  const fields: Record<string, string> = {};
  for (const [field, value] of Object.entries(headers)) {
    const small = field.toLowerCase();
    if (RESERVED.test(small)) faults.add([...path, "headers", field], "is set by the delivery itself", { key: true });
    else if (small in fields) faults.add([...path, "headers", field], "stands here twice", { key: true });
    fields[small] = value;
  }
  return { format, secret, headers: fields, timeout };
}
