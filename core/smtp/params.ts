/**
 * Parameters of MAIL and RCPT (RFC 5321 4.1.2 esmtp-param): SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8
 * (RFC 6531), RET, ENVID, NOTIFY, ORCPT (RFC 3461), REQUIRETLS (RFC 8689), HOLDFOR, HOLDUNTIL (RFC 4865), BY (RFC 2852),
 * MT-PRIORITY (RFC 6710). Values come out parsed, xtext as it stood on the wire, times as moments.
 * Non-job: which of them a session is offered (extensions.ts).
 */
import {
  type DeliverBy,
  type MailParameters,
  NO_MAIL_PARAMETERS,
  NO_RCPT_PARAMETERS,
  type Notify,
  type RcptParameters,
} from "../model/envelope.ts";
import { reject, Reply } from "../model/reply.ts";
import { parseDateTime } from "./date_time.ts";
import { type Extensions, LONGEST_HOLD } from "./extensions.ts";

type Pairs = ReadonlyMap<string, string | null>;

// esmtp-param = esmtp-keyword ["=" esmtp-value]
// esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")        esmtp-value = 1*(%d33-60 / %d62-126), UTF-8 by RFC 6531
const PARAM = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\u{10ffff}]+))?$/u;
// xtext = *( xchar / hexchar )      xchar = %d33-42 / %d44-60 / %d62-126      hexchar = "+" 2(DIGIT / "A"-"F")
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;
/** RFC 6533 3: utf-8-addr-xtext and utf-8-addr-unitext in ORCPT. */
const UTF8_XTEXT = /^(?:[!-*,-<>-[\]-~\u0080-\u{10ffff}]|\+[0-9A-F]{2}|\\x\{[0-9A-F]{2,6}\})*$/u;

const syntax = (text: string): Reply<"reject"> => reject("5.5.4", text, { code: 501 });
const unknown = (keyword: string): Reply<"reject"> =>
  reject("5.5.4", `${keyword.slice(0, 40)} is no parameter here`, { code: 555 });

function split(text: string): Pairs | Reply<"reject"> {
  const pairs = new Map<string, string | null>();
  for (const word of text.split(" ")) {
    if (word === "") continue; // more than one space: harmless
    const match = PARAM.exec(word);
    if (match === null) return syntax("Bad parameter");
    const keyword = match[1]!.toUpperCase();
    if (pairs.has(keyword)) return syntax(`${keyword.slice(0, 40)} stands twice`);
    pairs.set(keyword, match[2] ?? null);
  }
  return pairs;
}

/** What decides a parameter besides the extensions of the session. */
export interface MailTerms {
  /** The largest message taken, octets. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Somebody is logged in: may have mail returned at an hour of its own, and ask to be served first. */
  readonly identified: boolean;
}

/** The parameters behind the reverse-path, or the refusal. */
export function mailParameters(
  text: string,
  extensions: Pick<Extensions, "has" | "authParameter">,
  terms: MailTerms,
): MailParameters | Reply<"reject"> {
  if (text === "") return NO_MAIL_PARAMETERS;
  const pairs = split(text);
  if (pairs instanceof Reply) return pairs;
  const found: { -readonly [K in keyof MailParameters]: MailParameters[K] } = { ...NO_MAIL_PARAMETERS };
  for (const [keyword, value] of pairs) {
    if (keyword === "SIZE" && extensions.has("SIZE")) {
      if (value === null || !/^\d{1,20}$/.test(value)) return syntax("SIZE takes up to 20 digits"); // RFC 1870 5
      found.size = Number(value);
      if (found.size > terms.size) {
        return reject("5.3.4", `Message too big, the limit is ${terms.size} octets`, { code: 552 });
      }
    } else if (keyword === "BODY" && extensions.has("8BITMIME")) {
      const type = value?.toUpperCase();
      if (type === "BINARYMIME" && extensions.has("BINARYMIME")) found.body = type;
      else if (type === "7BIT" || type === "8BITMIME") found.body = type;
      else return syntax("BODY takes 7BIT or 8BITMIME");
    } else if (keyword === "SMTPUTF8" && extensions.has("SMTPUTF8")) {
      if (value !== null) return syntax("SMTPUTF8 takes no value"); //                                  RFC 6531 3.4
      found.smtputf8 = true;
    } else if (keyword === "RET" && extensions.has("DSN")) {
      const what = value?.toUpperCase();
      if (what !== "FULL" && what !== "HDRS") return syntax("RET takes FULL or HDRS");
      found.ret = what;
    } else if (keyword === "ENVID" && extensions.has("DSN")) {
      if (value === null || value.length > 100 || !XTEXT.test(value)) return syntax("ENVID takes xtext"); // RFC 3461 4.4
      found.envid = value;
    } else if (keyword === "AUTH" && extensions.authParameter) {
      if (value === null || !XTEXT.test(value)) return syntax("AUTH takes xtext");
      found.auth = value;
    } else if (keyword === "REQUIRETLS" && extensions.has("REQUIRETLS")) {
      if (value !== null) return syntax("REQUIRETLS takes no value"); //                                   RFC 8689 2
      found.requireTls = true;
    } else if ((keyword === "HOLDFOR" || keyword === "HOLDUNTIL") && extensions.has("FUTURERELEASE")) {
      const until = keyword === "HOLDFOR" ? holdFor(value, terms.now) : holdUntil(value, terms.now);
      if (until instanceof Reply) return until;
      if (pairs.has("HOLDFOR") && pairs.has("HOLDUNTIL")) return syntax("HOLDFOR or HOLDUNTIL, not both"); // RFC 4865 4.2
      if (until > terms.now) found.holdUntil = until; // what is past needs no hold
    } else if (keyword === "BY" && extensions.has("DELIVERBY")) {
      const by = deliverBy(value, terms);
      if (by instanceof Reply) return by;
      found.deliverBy = by;
    } else if (keyword === "MT-PRIORITY" && extensions.has("MT-PRIORITY")) {
      // priority-value = (["-"] NZDIGIT) / "0"                                                          RFC 6710 6
      if (value === null || !/^(?:0|-?[1-9])$/.test(value)) return syntax("MT-PRIORITY takes -9 to 9");
      found.priority = Number(value);
    } else return unknown(keyword);
  }
  const { deliverBy: by, holdUntil: hold } = found;
  if (by?.mode === "R" && hold !== undefined && by.at <= hold) return syntax("BY ends before the message is released");
  return found;
}

/** HOLDFOR=future-release-integer, 1 to 9 digits (RFC 4865 3): the moment, or the refusal. */
function holdFor(value: string | null, now: number): number | Reply<"reject"> {
  if (value === null || !/^[1-9]\d{0,8}$/.test(value)) return syntax("HOLDFOR takes seconds");
  return notTooLong(now + Number(value) * 1000, now);
}
/** HOLDUNTIL=date-time (RFC 4865 3 with erratum 2040). */
function holdUntil(value: string | null, now: number): number | Reply<"reject"> {
  const until = value === null ? null : parseDateTime(value);
  return until === null ? syntax("HOLDUNTIL takes a moment, such as 2030-12-31T23:59:59Z") : notTooLong(until, now);
}
function notTooLong(until: number, now: number): number | Reply<"reject"> { //                            RFC 4865 4.2
  return until - now <= LONGEST_HOLD * 1000 ? until : syntax(`Messages are held for ${LONGEST_HOLD} seconds at most`);
}

/** by-time ";" by-mode [by-trace]; by-time = ["-" / "+"] 1*9DIGIT (RFC 2852 4). */
function deliverBy(value: string | null, { now, identified }: MailTerms): DeliverBy | Reply<"reject"> {
  const [, time, mode, trace] = /^([+-]?\d{1,9});([NR])(T?)$/i.exec(value ?? "") ?? [];
  if (time === undefined) return syntax("BY takes seconds, a semicolon, N or R, and T or nothing");
  const returns = mode!.toUpperCase() === "R";
  if (returns && Number(time) <= 0) return syntax("BY with R takes a time that is yet to come"); //          RFC 2852 4
  if (returns && !identified) return reject("5.7.1", "BY with R is for those who are logged in");
  return { at: now + Number(time) * 1000, mode: returns ? "R" : "N", trace: trace !== "" };
}

const NOTIFY: readonly string[] = ["SUCCESS", "FAILURE", "DELAY"];

/** The parameters behind the forward-path, or the refusal. */
export function rcptParameters(
  text: string,
  extensions: Extensions,
  smtputf8: boolean,
): RcptParameters | Reply<"reject"> {
  if (text === "") return NO_RCPT_PARAMETERS;
  const pairs = split(text);
  if (pairs instanceof Reply) return pairs;
  let notify: readonly Notify[] | null = null, orcpt: string | null = null;
  for (const [keyword, value] of pairs) {
    if (keyword === "NOTIFY" && extensions.has("DSN")) {
      const words = (value ?? "").toUpperCase().split(",");
      const never = words.length === 1 && words[0] === "NEVER"; // NEVER stands alone                   RFC 3461 4.1
      if (!never && !words.every((word, i) => NOTIFY.includes(word) && words.indexOf(word) === i)) {
        return syntax("NOTIFY takes NEVER, or SUCCESS, FAILURE and DELAY");
      }
      notify = words as Notify[];
    } else if (keyword === "ORCPT" && extensions.has("DSN")) {
      const colon = value?.indexOf(";") ?? -1;
      const address = value?.slice(colon + 1) ?? "";
      const wide = smtputf8 && value?.slice(0, colon).toLowerCase() === "utf-8";
      if (
        value === null || value.length > 500 || colon < 1 || address === "" || !/^[A-Za-z0-9-]+;/.test(value) ||
        !(wide ? UTF8_XTEXT : XTEXT).test(address)
      ) {
        return syntax("ORCPT takes an address type, a semicolon and xtext"); //                         RFC 3461 4.2
      }
      orcpt = value;
    } else return unknown(keyword);
  }
  return { notify, orcpt };
}
