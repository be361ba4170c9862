/**
 * Parameters of requests as values: ids, limits, states, domains, small JSON bodies. Whatever is wrong is a 400 that says
 * what would be right.
 */
import { canonicalDomain, canonicalLiteral } from "../model/domain.ts";
import { readId } from "../model/id.ts";
import { QUEUE_STATES, type QueueState } from "../store/store.ts";
import { Problem } from "./problem.ts";

const MAX_BODY = 4096;
const MAX_FORM = 65_536; // a page of the queue with all of its messages chosen

/** A message id or the `ID.n` of a further copy, in canonical form; null when the text cannot be one. */
export function readCopyId(text: string): string | null {
  if (text.length > 40) return null;
  const dot = text.indexOf(".");
  const id = readId(dot < 0 ? text : text.slice(0, dot));
  if (id === null || dot < 0) return id;
  const copy = text.slice(dot + 1);
  return /^[1-9]\d{0,8}$/.test(copy) ? `${id}.${copy}` : null;
}

export function limitOf(text: string | undefined, options: { default: number; max: number }): number {
  if (text === undefined || text === "") return options.default;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > options.max) throw new Problem(400, `limit is a whole number from 1 to ${options.max}.`);
  return limit;
}

/** An id that a page begins after. */
export function beforeOf(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  const id = readCopyId(text);
  if (id === null) throw new Problem(400, "before is the id of a message.");
  return id;
}

/** A text of at most `max` characters; the empty one means none. */
export function textOf(name: string, text: string | undefined, max: number): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (text.length > max) throw new Problem(400, `${name} has at most ${max} characters.`);
  return text;
}

export function stateOf(text: string | undefined): QueueState | undefined {
  if (text === undefined || text === "") return undefined;
  const state = QUEUE_STATES.find((each) => each === text);
  if (state === undefined) throw new Problem(400, `state is one of ${QUEUE_STATES.join(", ")}.`);
  return state;
}

export function domainOf(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  const domain = text.startsWith("[") ? canonicalLiteral(text) : canonicalDomain(text);
  if (domain === null) throw new Problem(400, "domain is the domain of a recipient, like example.org.");
  return domain;
}

/** A moment, milliseconds since 1970. */
export function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const time = /^\d{4}-\d\d-\d\d[T0-9:.Z+-]{0,24}$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time)) throw new Problem(400, `${name} is a time like 2026-11-22T09:41:00Z.`);
  return time;
}

/** The body as JSON, at most `max` octets of it (4 KiB). `none` stands for a body that is not there. */
export async function jsonBody(request: Request, none?: unknown, max = MAX_BODY): Promise<unknown> {
  const bytes = await smallBody(request, max);
  if (bytes.length === 0 && none !== undefined) return none;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Problem(400, "The body is no JSON.");
  }
}

/** The fields of a form that one of our pages sent. */
export async function formBody(request: Request): Promise<URLSearchParams> {
  return new URLSearchParams(new TextDecoder().decode(await smallBody(request, MAX_FORM)));
}

async function smallBody(request: Request, max = MAX_BODY): Promise<Uint8Array> {
  const bytes = new Uint8Array(max);
  let size = 0;
  if (request.body !== null) {
    for await (const chunk of request.body) {
      if (size + chunk.length > max) throw new Problem(413, `A body has at most ${max} octets here.`);
      bytes.set(chunk, size);
      size += chunk.length;
    }
  }
  return bytes.subarray(0, size);
}
