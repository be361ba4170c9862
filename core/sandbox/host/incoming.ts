/**
 * Reads what came out of a sandbox. Whoever is inside may post anything to its host, so nothing is believed: every field is
 * looked at, and what is given on is made anew of what was looked at. A clone is inert: no getters, no foreign prototypes.
 * Non-job: whether it makes sense (the pipeline's own checks).
 */
import type { Address } from "../../model/address.ts";
import type { AuthResult } from "../../model/authres.ts";
import type { PluginRoute } from "../../model/envelope.ts";
import type { FieldChange } from "../../model/field_changes.ts";
import type { RecordType } from "../../dns/answer.ts";
import type { RemoteRoute, Role } from "../../pipeline/contexts/contexts.ts";
import { PHASES } from "../../pipeline/compile.ts";
import type { Phase } from "../../pipeline/plugin.ts";
import { MAX_WORDS } from "../values.ts";
import { faultOf } from "./inert.ts";
import type {
  Deed,
  Description,
  Outcome,
  Outward,
  Question,
  WireEffect,
  WireError,
  WireIssue,
  WireReply,
} from "../wire.ts";

/** What is no message at all: nothing that a shim posts. */
export class Garbage extends Error {}

const MAX_LIST = 20_000, MAX_TEXT = 4 * 1024 * 1024, MAX_NAME = 1000;
/** Characters of a counter's value: all of them are kept in memory. */
const MAX_VALUE = 64 * 1024;
const TYPES: readonly string[] = ["A", "AAAA", "CNAME", "MX", "TXT", "PTR", "TLSA"];
const ROLES: readonly string[] = ["mx", "submission", "lmtp", "edge"];
type Fields = Readonly<Record<string, unknown>>;

/** @throws {Garbage} saying what is wrong. */
export function readOutward(value: unknown): Outward {
  const it = fields(value, "a message"), what = it["do"];
  switch (what) {
    case "loaded":
    case "begun":
    case "stopped":
      return { do: what };
    case "pong":
      return { do: what, ping: whole(it["ping"], "ping") };
    case "crashed":
      return { do: what, why: words(it["why"]) };
    case "trouble":
      return { do: what, message: words(it["message"]) };
    case "late":
      return { do: what, call: callOf(it), what: words(it["what"]) };
    case "cancel":
      return { do: what, call: callOf(it), question: whole(it["question"], "question") };
    case "question":
      return { do: what, call: callOf(it), question: whole(it["question"], "question"), about: question(it["about"]) };
    case "asked":
    case "done": {
      const said = {
        ...(it["value"] === undefined ? {} : { value: text(it["value"], "value") }),
        ...(it["error"] === undefined ? {} : { error: error(it["error"]) }),
      };
      if (what === "done") return { do: what, call: callOf(it), ...said };
      return { do: what, call: callOf(it), question: whole(it["question"], "question"), ...said };
    }
    case "below":
      return { do: what, call: callOf(it), deeds: list(it["deeds"], "deeds", deed) };
    case "answer":
      return { do: what, call: callOf(it), deeds: list(it["deeds"], "deeds", deed), outcome: outcome(it["outcome"]) };
    case "described":
      return { do: what, description: description(it["description"]) };
    case "refused":
      return {
        do: what,
        issues: list(it["issues"], "issues", issue),
        ...(it["schema"] === undefined ? {} : { schema: schema(it["schema"]) }),
        ...(it["said"] === undefined ? {} : { said: text(it["said"], "said") }),
      };
    default:
      throw new Garbage(`no message: ${typeof what === "string" ? what.slice(0, 50) : typeof what}`);
  }
}

// ---- Values ----------------------------------------------------------------------------------------------------------

function fields(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Garbage(`${what} is no object`);
  return value as Fields;
}
function list<T>(value: unknown, what: string, read: (each: unknown) => T): T[] {
  if (!Array.isArray(value)) throw new Garbage(`${what} is no list`);
  if (value.length > MAX_LIST) throw new Garbage(`${what} has ${value.length} entries`);
  const out: T[] = [];
  for (let at = 0; at < value.length; at++) out.push(read(value[at]));
  return out;
}
function text(value: unknown, what: string, max = MAX_TEXT): string {
  if (typeof value !== "string") throw new Garbage(`${what} is no text`);
  if (value.length > max) throw new Garbage(`${what} has ${value.length} characters`);
  return value;
}
function words(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_WORDS) : "";
}
function number(value: unknown, what: string): number {
  if (typeof value !== "number") throw new Garbage(`${what} is no number`);
  return value;
}
function whole(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value)) throw new Garbage(`${what} is no whole number`);
  return value as number;
}
function callOf(it: Fields): number {
  return whole(it["call"], "call");
}
function inert(value: unknown, what: string): unknown {
  const fault = faultOf(value);
  if (fault !== null) throw new Garbage(`${what} ${fault}`);
  return value;
}
function schema(value: unknown): Fields {
  return fields(inert(value, "a schema"), "a schema");
}
function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null || value === undefined ? null : read(value);
}
/** Octets of its own: not of a memory that somebody else may write to at the same time. */
function octets(value: unknown): Uint8Array<ArrayBuffer> {
  if (!(value instanceof Uint8Array) || !(value.buffer instanceof ArrayBuffer)) throw new Garbage("that is no octets");
  return value as Uint8Array<ArrayBuffer>;
}
function address(value: unknown): Address {
  const it = fields(value, "an address");
  return { local: text(it["local"], "local", MAX_NAME), domain: text(it["domain"], "domain", MAX_NAME) };
}
function error(value: unknown): WireError {
  const it = fields(value, "an error");
  return {
    name: words(it["name"]).slice(0, 100),
    message: words(it["message"]),
    ...(typeof it["fault"] === "string" ? { fault: words(it["fault"]) } : {}),
    ...(typeof it["query"] === "string" ? { query: words(it["query"]) } : {}),
  };
}
function reply(value: unknown): WireReply {
  const it = fields(value, "a reply"), code = whole(it["code"], "code");
  if (code < 200 || code > 599) throw new Garbage(`${code} is no code of a reply`);
  return {
    code,
    status: text(it["status"], "status", 20),
    text: text(it["text"], "text", 10_000),
    ...(it["close"] === true ? { close: true } : {}),
    ...(it["silent"] === true ? { silent: true } : {}),
    ...(it["reason"] === undefined ? {} : { reason: text(it["reason"], "reason", 100_000) }),
    ...(it["over"] === true ? { over: true as const } : {}),
  };
}
function route(value: unknown): PluginRoute {
  const it = fields(value, "a route"), to = it["to"];
  if (to === "local") return { to, plugin: text(it["plugin"], "plugin", MAX_NAME) };
  if (to === "remote") return it["via"] === undefined ? { to } : { to, via: text(it["via"], "via", MAX_NAME) };
  throw new Garbage("that is no route");
}
function remote(value: unknown): RemoteRoute {
  const found = route(value);
  if (found.to !== "remote") throw new Garbage("that is no route to another host");
  return found;
}
function authResult(value: unknown): AuthResult {
  const it = fields(value, "a finding"), { properties, reason } = it;
  return {
    method: text(it["method"], "method", MAX_NAME),
    result: text(it["result"], "result", MAX_NAME),
    ...(reason === undefined ? {} : { reason: text(reason, "reason") }),
    ...(properties === undefined ? {} : { properties: list(properties, "properties", property) }),
  };
}
function property(value: unknown): readonly [string, string] {
  if (!Array.isArray(value)) throw new Garbage("a property is no pair");
  return [text(value[0], "property", MAX_NAME), text(value[1], "property")];
}
function fieldChange(value: unknown): FieldChange {
  const it = fields(value, "a change"), { at, before } = it;
  if (at !== undefined) {
    return { at: number(at, "at"), value: it["value"] === null ? null : text(it["value"], "value") };
  }
  return { before: number(before, "before"), name: text(it["name"], "name"), value: text(it["value"], "value") };
}

// ---- Deeds and their end ---------------------------------------------------------------------------------------------

function deed(value: unknown): Deed {
  const it = fields(value, "a deed"), what = it["deed"];
  switch (what) {
    case "next":
      return { deed: what };
    case "note":
      return { deed: what, sentence: text(it["sentence"], "sentence") };
    case "alert":
      return { deed: what, subject: words(it["subject"]), message: words(it["message"]) };
    case "attest":
      return { deed: what, result: authResult(it["result"]) };
    case "set": {
      const scope = it["scope"];
      if (scope !== "connection" && scope !== "transaction" && scope !== "recipient") throw new Garbage("no scope");
      const key = text(it["key"], "key", MAX_NAME), told = orNull(it["told"], (each) => text(each, "told"));
      return { deed: what, scope, key, value: inert(it["value"], `the value of ${key}`), told };
    }
    case "effect":
      return { deed: what, effect: effect(it["effect"]) };
    default:
      throw new Garbage("that is no deed");
  }
}

function effect(value: unknown): WireEffect {
  const it = fields(value, "an effect"), what = it["do"];
  const recipient = () => whole(it["recipient"], "recipient");
  const reason = () => text(it["reason"], "reason");
  switch (what) {
    case "identify":
      return { do: what, user: text(it["user"], "user") };
    case "route":
      return { do: what, route: route(it["route"]) };
    case "expand":
      return { do: what, members: list(it["members"], "members", address) };
    case "copy":
      return { do: what, address: address(it["address"]) };
    case "score":
      return { do: what, points: number(it["points"], "points"), reason: reason() };
    case "header":
      return { do: what, name: text(it["name"], "name"), value: orNull(it["value"], (each) => text(each, "value")) };
    case "replace":
      return { do: what, name: text(it["name"], "name"), value: text(it["value"], "value") };
    case "fields":
      return { do: what, changes: list(it["changes"], "changes", fieldChange) };
    case "hold":
      return { do: what, reason: reason() };
    case "rewrite":
      return { do: what, body: whole(it["body"], "body"), reason: reason() };
    case "suppress": {
      const seconds = orNull(it["seconds"], (each) => number(each, "seconds"));
      return { do: what, address: address(it["address"]), reason: reason(), seconds };
    }
    case "refuse":
      return { do: what, recipient: recipient(), reply: reply(it["reply"]) };
    case "drop":
      return { do: what, recipient: recipient() };
    case "settle": {
      const result = it["result"];
      if (result !== "stored" && result !== "discarded") throw new Garbage("that is no result");
      return { do: what, recipient: recipient(), result };
    }
    case "deposit":
      return { do: what, recipient: recipient(), inbox: text(it["inbox"], "inbox", MAX_NAME) };
    case "reversePath":
      return { do: what, address: address(it["address"]), recipient: orNull(it["recipient"], recipient) };
    case "forwardPath":
      return { do: what, recipient: recipient(), address: address(it["address"]) };
    case "postpone":
      return { do: what, until: number(it["until"], "until") };
    case "sign":
      return { do: what, signer: whole(it["signer"], "signer") };
    default:
      throw new Garbage("that is no effect");
  }
}

function outcome(value: unknown): Outcome {
  const it = fields(value, "an answer"), is = it["is"];
  switch (is) {
    case "next":
    case "below":
    case "again":
      return { is };
    case "nothing":
      return { is, type: text(it["type"], "type", 20) };
    case "reply":
      return { is, reply: reply(it["reply"]) };
    case "error":
      return { is, error: error(it["error"]) };
    default:
      throw new Garbage("that is no answer");
  }
}

// ---- Questions -------------------------------------------------------------------------------------------------------

function question(value: unknown): Question {
  const it = fields(value, "a question"), ask = it["ask"];
  const name = () => text(it["name"], "name", MAX_NAME);
  switch (ask) {
    case "dns": {
      const type = it["type"];
      if (type === "a" || type === "aaaa" || type === "mx" || type === "txt" || type === "ptr") {
        return { ask, type, name: name() };
      }
      throw new Garbage("that is no record type");
    }
    case "lookup":
      if (!TYPES.includes(it["type"] as string)) throw new Garbage("that is no record type");
      return { ask, type: it["type"] as RecordType, name: name() };
    case "get":
      return { ask, name: name() };
    case "put":
      return { ask, name: name(), value: text(it["value"], "value", MAX_VALUE), options: lasting(it["options"]) };
    case "add":
      return { ask, name: name(), amount: number(it["amount"], "amount"), options: lasting(it["options"]) };
    case "list": {
      const query = fields(it["query"], "a query"), { after } = query;
      return {
        ask,
        query: {
          prefix: text(query["prefix"], "prefix", MAX_NAME),
          limit: number(query["limit"], "limit"),
          ...(after === undefined ? {} : { after: text(after, "after", MAX_NAME) }),
        },
      };
    }
    case "read":
      return { ask, body: whole(it["body"], "body"), reader: whole(it["reader"], "reader") };
    case "unread":
      return { ask, reader: whole(it["reader"], "reader") };
    case "write":
      return { ask, body: whole(it["body"], "body"), octets: octets(it["octets"]) };
    case "finish":
    case "discard":
      return { ask, body: whole(it["body"], "body") };
    case "verify":
    case "decoy":
      return { ask, stored: text(it["stored"], "stored") };
    case "pause":
      return { ask, milliseconds: number(it["milliseconds"], "milliseconds") };
    case "callAhead":
      return { ask, sender: orNull(it["sender"], address), route: remote(it["route"]) };
    case "outside":
      return { ask, question: text(it["question"], "question", MAX_NAME), number: whole(it["number"], "number") };
    case "alert":
      return { ask, subject: words(it["subject"]), message: words(it["message"]) };
    case "send":
      return {
        ask,
        from: orNull(it["from"], address),
        to: list(it["to"], "to", address),
        content: octets(it["content"]),
      };
    default:
      throw new Garbage("that is no question");
  }
}
function lasting(value: unknown): { readonly seconds: number; readonly durable?: boolean } {
  const it = fields(value, "options");
  return { seconds: number(it["seconds"], "seconds"), ...(it["durable"] === true ? { durable: true } : {}) };
}

// ---- What a plugin says of itself ------------------------------------------------------------------------------------

function description(value: unknown): Description {
  const it = fields(value, "a description");
  const name = (each: unknown) => text(each, "a name", MAX_NAME);
  return {
    name: plugin(it["name"]),
    phases: list(it["phases"], "phases", phase),
    after: list(it["after"], "after", name),
    roles: orNull(it["roles"], (each) => list(each, "roles", role)),
    bindsSender: it["bindsSender"] === true,
    asksEngine: it["asksEngine"] === true,
    routesTo: list(it["routesTo"], "routesTo", name),
    routesVia: list(it["routesVia"], "routesVia", name),
    mechanisms: orNull(it["mechanisms"], (each) => list(each, "mechanisms", name)),
    deadline: orNull(it["deadline"], (each) => time(each, "deadline")),
    observes: it["observes"] === true,
    learns: it["learns"] === true,
    jobs: list(it["jobs"], "jobs", job),
    schema: schema(it["schema"]),
  };
}
/** Its part of the store begins with its name and a colon. */
function plugin(value: unknown): string {
  const name = text(value, "a name", MAX_NAME);
  if (!/^(?:[A-Za-z][\w.-]{0,63}|on\([a-z]{1,20}\))$/.test(name)) {
    throw new Garbage("a name that no plugin has: letters, digits, . - _");
  }
  return name;
}
function time(value: unknown, what: string): number {
  const found = number(value, what);
  if (!Number.isFinite(found) || found < 0) throw new Garbage(`${what} is no time`);
  return found;
}
function phase(value: unknown): Phase {
  const name = text(value, "a phase", MAX_NAME);
  if (!(PHASES as readonly string[]).includes(name)) throw new Garbage(`it handles the unknown phase "${name}"`);
  return name as Phase;
}
function role(value: unknown): Role {
  if (!ROLES.includes(value as string)) throw new Garbage("that is no role");
  return value as Role;
}
function job(value: unknown): Description["jobs"][number] {
  const it = fields(value, "a job"), every = time(it["every"], "every");
  if (!(every >= 1000)) throw new Garbage("a job runs once in a second at most");
  return { name: text(it["name"], "name", MAX_NAME), every, after: time(it["after"], "after") };
}
function issue(value: unknown): WireIssue {
  const it = fields(value, "an issue");
  const step = (each: unknown) => typeof each === "number" ? each : text(each, "a step", MAX_NAME);
  return { path: list(it["path"], "path", step), message: words(it["message"]) };
}
