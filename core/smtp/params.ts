/**
 * Parameters of MAIL and RCPT (RFC 5321 4.1.2 esmtp-param): SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8
 * (RFC 6531), RET, ENVID, NOTIFY, ORCPT (RFC 3461). Values come out parsed, xtext as it stood on the wire.
 */
import {
  type MailParameters,
  NO_MAIL_PARAMETERS,
  NO_RCPT_PARAMETERS,
  type Notify,
  type RcptParameters,
} from "../model/envelope.ts";
import { reject, Reply } from "../model/reply.ts";
import type { Extensions } from "./extensions.ts";

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

/** The parameters behind the reverse-path, or the refusal. `limit` is the largest message taken, in octets. */
export function mailParameters(text: string, extensions: Extensions, limit: number): MailParameters | Reply<"reject"> {
  if (text === "") return NO_MAIL_PARAMETERS;
  const pairs = split(text);
  if (pairs instanceof Reply) return pairs;
  let { size, body, smtputf8, ret, envid, auth } = NO_MAIL_PARAMETERS as {
    -readonly [K in keyof MailParameters]: MailParameters[K];
  };
  for (const [keyword, value] of pairs) {
    if (keyword === "SIZE" && extensions.has("SIZE")) {
      if (value === null || !/^\d{1,20}$/.test(value)) return syntax("SIZE takes up to 20 digits"); // RFC 1870 5
      size = Number(value);
      if (size > limit) return reject("5.3.4", `Message too big, the limit is ${limit} octets`, { code: 552 });
    } else if (keyword === "BODY" && extensions.has("8BITMIME")) {
      const type = value?.toUpperCase();
      if (type === "BINARYMIME" && extensions.has("BINARYMIME")) body = type;
      else if (type === "7BIT" || type === "8BITMIME") body = type;
      else return syntax("BODY takes 7BIT or 8BITMIME");
    } else if (keyword === "SMTPUTF8" && extensions.has("SMTPUTF8")) {
      if (value !== null) return syntax("SMTPUTF8 takes no value"); //                                  RFC 6531 3.4
      smtputf8 = true;
    } else if (keyword === "RET" && extensions.has("DSN")) {
      const what = value?.toUpperCase();
      if (what !== "FULL" && what !== "HDRS") return syntax("RET takes FULL or HDRS");
      ret = what;
    } else if (keyword === "ENVID" && extensions.has("DSN")) {
      if (value === null || value.length > 100 || !XTEXT.test(value)) return syntax("ENVID takes xtext"); // RFC 3461 4.4
      envid = value;
    } else if (keyword === "AUTH" && extensions.has("AUTH")) {
      if (value === null || !XTEXT.test(value)) return syntax("AUTH takes xtext");
      auth = value;
    } else return unknown(keyword);
  }
  return { size, body, smtputf8, ret, envid, auth };
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
