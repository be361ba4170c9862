/**
 * A web request that brings a message: its octets as body with the envelope in the query or in headers, or a form as
 * services for inbound mail post it (SendGrid's "raw" parse, Mailgun's MIME). Reads the request and words the answer.
 * Non-job: deciding (judge.ts), who may post (http_auth.ts).
 */
import { formatAddress } from "../model/address.ts";
import type { Settled } from "./delivering.ts";
import { readForm } from "./form.ts";
import { byHeaders, bySignature, type HttpAuth } from "./http_auth.ts";
import { takeIn, withWireLineEnds } from "./intake.ts";
import { type Arrival, type Judged, signed } from "./judge.ts";

export interface PostOptions {
  readonly auth: HttpAuth | null;
  /** Octets of a message. */
  readonly size: number;
  readonly recipients: number;
  readonly now: number;
}

/** Room for the other fields of a form. */
const FORM = 256 * 1024;
/** Fields that hold the message, and those that hold the envelope. */
const MESSAGE = ["email", "body-mime", "message"], FROM = ["from", "sender"], TO = ["to", "recipient"];
const RETRY_SECONDS = 60;
const refuse = (status: number, error: string, headers: Record<string, string> = {}): Response =>
  Response.json({ error }, { status, headers });

/** The message in a request, or what is answered at once. Rejects with what the body throws. */
export async function arrivalIn(request: Request, options: PostOptions): Promise<Arrival | Response> {
  const { auth, size, recipients, now } = options;
  if (request.method !== "POST") return refuse(405, "Post a message", { allow: "POST" });
  if (auth === null) return refuse(403, "Nobody may post here: the host was made without auth");
  const allowed = await byHeaders(request.headers, { auth, now });
  if (allowed === false) return refuse(401, "Who are you?", { "www-authenticate": 'Basic realm="postern", Bearer' });
  if (request.body === null) return refuse(400, "There is no message");
  const length = request.headers.get("content-length");
  const octets = await takeIn(request.body, {
    most: size + FORM,
    ...length !== null && /^\d{1,15}$/.test(length) && request.headers.get("content-encoding") === null
      ? { size: Number(length) }
      : {},
  });
  if (octets === "size") return refuse(413, `A message has ${size} octets at most`);
  if (octets === "late") return refuse(408, "The message did not come in time");
  if (octets === "short") return refuse(400, "The message was cut off");
  if (allowed === null) {
    const keys = (auth as { readonly signed: readonly string[] }).signed;
    if (!await bySignature(request.headers, octets, { keys, now })) return refuse(401, "The signature does not hold");
  }
  const type = request.headers.get("content-type") ?? "";
  const found = /^multipart\/form-data/i.test(type) ? inForm(octets, type) : inRequest(request, octets);
  if (typeof found === "string") return refuse(400, found);
  if (found.octets.length > size) return refuse(413, `A message has ${size} octets at most`);
  if (found.to.length > recipients) return refuse(400, `A message has ${recipients} recipients at most`);
  return { via: "http", ...found, octets: withWireLineEnds(found.octets) };
}

type Found = Pick<Arrival, "from" | "to" | "octets"> | string;
const NO_ENVELOPE = "Say who sends and who receives: from (empty for <>) and to";

function inRequest({ url, headers }: Request, octets: Uint8Array<ArrayBuffer>): Found {
  const { searchParams: query } = new URL(url);
  const from = query.get("from") ?? headers.get("x-envelope-from");
  const listed = headers.get("x-envelope-to")?.split(",").map((each) => each.trim()).filter((each) => each !== "");
  const to = query.has("to") ? query.getAll("to") : listed ?? [];
  return from === null || to.length === 0 ? NO_ENVELOPE : { from, to, octets };
}

function inForm(octets: Uint8Array<ArrayBuffer>, type: string): Found {
  const form = readForm(octets, type);
  if (form === null) return "That is no multipart/form-data";
  const text = (names: readonly string[]) => {
    const name = names.find((each) => form.has(each));
    return name === undefined ? null : new TextDecoder().decode(form.get(name));
  };
  const message = MESSAGE.find((name) => form.has(name));
  if (message === undefined) return `The form holds no message as it was received: ${MESSAGE.join(", ")}`;
  const envelope = envelopeIn(text(["envelope"]));
  if (envelope === null) return "`envelope` is no JSON with from and to";
  const from = envelope.from ?? text(FROM);
  const to = envelope.to ?? text(TO)?.split(",").map((each) => each.trim()).filter((each) => each !== "") ?? [];
  return from === null || to.length === 0 ? NO_ENVELOPE : { from, to, octets: form.get(message)!.slice() };
}

/** `{"from": "a@b", "to": ["c@d"]}`; without text nothing is said. Null when it is something else. */
function envelopeIn(text: string | null): { readonly from?: string; readonly to?: readonly string[] } | null {
  if (text === null) return {};
  try {
    const { from, to } = JSON.parse(text) as { from?: unknown; to?: unknown };
    const list = typeof to === "string" ? [to] : to;
    if (typeof from !== "string" || !Array.isArray(list) || !list.every((each) => typeof each === "string")) {
      return null;
    }
    return { from, to: list as string[] };
  } catch {
    return null;
  }
}

/** 200 accepted, 406 refused for good (whoever posts must not come again), 503 come again. */
export function responseTo(
  { id }: Pick<Judged, "id">,
  { reply, refused }: Pick<Settled, "reply" | "refused">,
): Response {
  if (reply.verdict === "accept") {
    return Response.json({
      id,
      refused: refused.map(({ address, reply }) => ({ recipient: formatAddress(address), reply: String(reply) })),
    });
  }
  const said = { id, reply: `${reply.code} ${signed(reply, id)}` };
  return reply.verdict === "reject"
    ? Response.json(said, { status: 406 })
    : Response.json(said, { status: 503, headers: { "retry-after": String(RETRY_SECONDS) } });
}
