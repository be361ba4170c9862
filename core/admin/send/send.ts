/**
 * POST /api/v1/send: a message as JSON, or as it is (message/rfc822 with ?from= and ?to=). It comes in as from a client
 * that has logged in as the token's account: every plugin is asked, and refusals are told. Non-job: the way in
 * (`AdminOptions.inject`), how a message is made of JSON (compose.ts).
 */
import { Hono } from "hono";
import { canonicalIp } from "../../model/ip.ts";
import { newId } from "../../model/id.ts";
import { concat } from "../../model/octets.ts";
import type { InjectionResult } from "../../net/injection.ts";
import type { AdminEnv, AdminOptions } from "../options.ts";
import { Problem } from "../problem.ts";
import { compose } from "./compose.ts";
import { addressOf } from "./fields.ts";
import { messageJson } from "./json.ts";

const MAX_RECIPIENTS = 1000;
/** Messages at a time: each is in memory whole. */
const AT_ONCE = 4;
/** Refused recipients that an answer names. */
const MAX_NAMED = 10;
/** Octets of JSON that stand for one octet of a message, about: base64 and escapes. */
const WIDE = 1.5;

export interface SendOptions {
  readonly admin: Pick<AdminOptions, "inject" | "site">;
  /** Octets of the largest message. */
  readonly messageSize: number;
  readonly now: () => number;
}

export function send({ admin, messageSize, now }: SendOptions): Hono<AdminEnv> {
  let underWay = 0;
  return new Hono<AdminEnv>().post("/", async (c) => {
    const { inject } = admin, { account } = c.get("caller");
    if (inject === undefined) throw new Problem(409, "This server takes no mail by the API.");
    const type = (c.req.header("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
    if (type !== "application/json" && type !== "message/rfc822") {
      throw new Problem(415, "Send application/json, or message/rfc822 with ?from= and ?to=.");
    }
    if (underWay >= AT_ONCE) {
      throw new Problem(503, "Other messages are being taken; try again.", { "Retry-After": "2" });
    }
    underWay++;
    try {
      const { sender, recipients, content } = type === "application/json"
        ? compose(messageJson(await bodyOf(c.req.raw, Math.ceil(messageSize * WIDE))), {
          now: now(),
          unique: newId(now()),
          hostname: admin.site.hostname,
          recipients: MAX_RECIPIENTS,
        })
        : await wholeMessage(c.req.raw, messageSize);
      if (content.length > messageSize) throw tooLarge(messageSize);
      const ip = canonicalIp(c.env.remote) ?? "127.0.0.1"; // who asks without a socket is here
      const result = await inject.call(admin, { ip, identity: account, sender, recipients, content });
      if (result.id !== null) c.set("subject", result.id);
      return c.json(acceptedOf(result));
    } finally {
      underWay--;
    }
  });
}

/** @throws {Problem} 422 for what is refused for good, 503 for what may be tried again. */
function acceptedOf({ id, accepted, reply, refused }: InjectionResult): Record<string, unknown> {
  if (accepted) {
    return {
      id,
      reply: reply.toString(),
      refused: refused.map((each) => ({ address: each.address, reply: each.reply.toString() })),
    };
  }
  const named = refused.slice(0, MAX_NAMED).map((each) => `${each.address}: ${each.reply}`);
  const why = named.length > 0 && refused.some((each) => each.reply === reply) ? named.join("; ") : reply.toString();
  if (reply.verdict === "defer") throw new Problem(503, `Not now: ${why}`, { "Retry-After": "60" });
  throw new Problem(422, `Refused: ${why}`);
}

async function wholeMessage(request: Request, max: number) {
  const query = new URL(request.url).searchParams;
  const from = query.get("from"), to = query.getAll("to");
  if (from === null || to.length === 0) {
    throw new Problem(400, "Name the envelope: ?from=ADDRESS&to=ADDRESS&to=ADDRESS");
  }
  if (to.length > MAX_RECIPIENTS) throw new Problem(400, `A message has at most ${MAX_RECIPIENTS} recipients.`);
  const sender = from === "" ? null : addressOf("from", from);
  const recipients = to.map((each) => addressOf("to", each));
  const content = await bodyOf(request, max);
  if (content.length === 0) throw new Problem(400, "The body is the message.");
  return { sender, recipients, content: withCrlf(content) };
}

/** Programs on this side write LF as often as CRLF; a CR alone is refused, as anywhere (SMTP smuggling). */
function withCrlf(octets: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let lone = 0;
  for (let at = 0; at < octets.length; at++) {
    if (octets[at] === 10 && octets[at - 1] !== 13) lone++;
    else if (octets[at] === 13 && octets[at + 1] !== 10) throw new Problem(400, "The message has a CR without its LF.");
  }
  const ends = octets.at(-1) === 10;
  if (lone === 0 && ends) return octets;
  const whole = new Uint8Array(octets.length + lone + (ends ? 0 : 2));
  let to = 0;
  for (let at = 0; at < octets.length; at++) {
    if (octets[at] === 10 && octets[at - 1] !== 13) whole[to++] = 13;
    whole[to++] = octets[at]!;
  }
  if (!ends) whole.set([13, 10], to);
  return whole;
}

async function bodyOf(request: Request, max: number): Promise<Uint8Array<ArrayBuffer>> {
  const length = Number(request.headers.get("content-length") ?? 0);
  if (length > max) throw tooLarge(max);
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (request.body !== null) {
    for await (const chunk of request.body) { // leaving the loop cancels the stream
      size += chunk.length;
      if (size > max) throw tooLarge(max);
      chunks.push(chunk);
    }
  }
  return concat(chunks);
}

function tooLarge(max: number): Problem {
  return new Problem(413, `A body has at most ${max} octets here.`);
}
