/**
 * Parameters of main.cf, with `$name` and its kind put in (postconf(5)), over the defaults of Postfix 3.7 that matter
 * here. Knows which ones were asked for, so that what nobody asked about can be told. Non-job: what they mean.
 */
import type { Origin } from "../draft.ts";
import { logicalLines, withoutBraces, wordsOf } from "./lines.ts";

export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly from: Origin;
  /** Nobody wrote it. */
  readonly isDefault: boolean;
}

/** What `$name` may become at most: more is a file that wants to hurt. */
const LONGEST = 65_536, DEEPEST = 50, STEPS = 100_000;

/** Why a value cannot be told. */
export class ExpansionError extends Error {
  override readonly name = "ExpansionError";
}

/** Defaults that decide about something here; all others are as if they were empty. */
const DEFAULTS: Readonly<Record<string, string>> = {
  alias_maps: "hash:/etc/aliases",
  compatibility_level: "0",
  config_directory: "/etc/postfix",
  daemon_directory: "/usr/lib/postfix/sbin",
  data_directory: "/var/lib/postfix",
  default_database_type: "hash",
  default_transport: "smtp",
  inet_interfaces: "all",
  inet_protocols: "all",
  local_recipient_maps: "proxy:unix:passwd.byname $alias_maps",
  local_transport: "local:$myhostname",
  mail_name: "Postfix",
  mail_version: "3.7",
  message_size_limit: "10240000",
  milter_default_action: "tempfail",
  mydestination: "$myhostname, localhost.$mydomain, localhost",
  mydomain: "localdomain",
  mynetworks_style: "${{$compatibility_level} < {2} ? {subnet} : {host}}",
  myorigin: "$myhostname",
  parent_domain_matches_subdomains:
    "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps",
  propagate_unmatched_extensions: "canonical, virtual",
  queue_directory: "/var/spool/postfix",
  relay_transport: "relay",
  smtpd_relay_restrictions:
    "${{$compatibility_level} < {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}",
  smtpd_sasl_type: "cyrus",
  smtpd_sasl_path: "smtpd",
  smtpd_reject_unlisted_recipient: "yes",
  smtpd_tls_key_file: "$smtpd_tls_cert_file",
  smtp_tls_mandatory_protocols: ">=TLSv1",
  smtpd_sender_restrictions: "",
  syslog_name: "postfix",
  virtual_alias_domains: "$virtual_alias_maps",
  virtual_mailbox_domains: "$virtual_mailbox_maps",
  virtual_transport: "virtual",
};

interface Written {
  readonly value: string;
  readonly line: number;
}

export class Settings {
  readonly #written: Map<string, Written>;
  readonly #asked: Set<string>;
  /** Lines without a `=`, and others that are none. */
  readonly odd: readonly { readonly line: number; readonly text: string }[];
  /** `overrides`: the -o of a service. */
  private constructor(
    written: Map<string, Written>,
    asked: Set<string>,
    odd: Settings["odd"],
    readonly file: string,
    private readonly overrides: ReadonlyMap<string, { readonly value: string; readonly from: Origin }> = new Map(),
  ) {
    this.#written = written;
    this.#asked = asked;
    this.odd = odd;
  }

  static read(text: string, file: string): Settings {
    const written = new Map<string, Written>(), odd: { line: number; text: string }[] = [];
    for (const { number, text: line } of logicalLines(text)) {
      const equals = line.indexOf("="), name = line.slice(0, equals).trim();
      if (equals < 0 || !/^[A-Za-z0-9_-]+$/.test(name)) odd.push({ line: number, text: line.slice(0, 60) });
      else written.set(name, { value: line.slice(equals + 1).trim(), line: number });
    }
    return new Settings(written, new Set(), odd, file);
  }

  /** As a service sees them. */
  with(overrides: ReadonlyMap<string, { readonly value: string; readonly from: Origin }>): Settings {
    return new Settings(this.#written, this.#asked, this.odd, this.file, overrides);
  }

  /** @throws {ExpansionError} */
  get(name: string): Setting {
    this.#asked.add(name);
    const own = this.overrides.get(name);
    const written = this.#written.get(name);
    const steps = { left: STEPS };
    const value = this.#expand(own?.value ?? written?.value ?? this.#default(name), { depth: 0, steps });
    const from = own?.from ??
      { file: written === undefined ? `Postfix's default` : this.file, line: written?.line ?? 0 };
    return { name, value: value.trim(), from, isDefault: own === undefined && written === undefined };
  }

  /** As it is written: some parameters are expanded for each mail, with names that are no parameters. */
  written(name: string): string {
    return this.overrides.get(name)?.value ?? this.#written.get(name)?.value ?? "";
  }

  text(name: string): string {
    return this.get(name).value;
  }
  list(name: string): string[] {
    return wordsOf(this.text(name));
  }
  is(name: string): boolean {
    return this.text(name).toLowerCase() === "yes";
  }

  /** Parameters that a person wrote and nobody asked for, in their order. */
  get unasked(): Setting[] {
    return [...this.#written].filter(([name]) => !this.#asked.has(name)).map(([name, { value, line }]) => ({
      name,
      value,
      from: { file: this.file, line },
      isDefault: false,
    }));
  }
  hasWritten(name: string): boolean {
    return this.#written.has(name) || this.overrides.has(name);
  }

  #default(name: string): string {
    if (name === "mydomain") {
      const host = this.#written.get("myhostname")?.value ?? "";
      const dot = host.indexOf(".");
      return dot > 0 && !host.includes("$") ? host.slice(dot + 1) : DEFAULTS.mydomain!;
    }
    if (name === "myhostname") {
      const domain = this.#written.get("mydomain")?.value;
      return domain === undefined || domain.includes("$") ? "localhost.localdomain" : `localhost.${domain}`;
    }
    return Object.hasOwn(DEFAULTS, name) ? DEFAULTS[name]! : "";
  }

  #expand(text: string, state: { readonly depth: number; readonly steps: { left: number } }): string {
    if (state.depth > DEEPEST) throw new ExpansionError("a parameter contains itself, or is more than 50 deep");
    let out = "", at = 0;
    while (at < text.length) {
      if (--state.steps.left < 0) throw new ExpansionError("this takes too many steps");
      const dollar = text.indexOf("$", at);
      if (dollar < 0) break;
      out += text.slice(at, dollar);
      if (text[dollar + 1] === "$") {
        out += "$";
        at = dollar + 2;
        continue;
      }
      const { inner, end } = macroAt(text, dollar + 1);
      out += inner === null ? "$" : this.#macro(inner, state);
      at = inner === null ? dollar + 1 : end;
      if (out.length > LONGEST) throw new ExpansionError("this becomes more than 64 KiB");
    }
    out += text.slice(at);
    if (out.length > LONGEST) throw new ExpansionError("this becomes more than 64 KiB");
    return out;
  }

  #macro(inner: string, state: { readonly depth: number; readonly steps: { left: number } }): string {
    const deeper = { depth: state.depth + 1, steps: state.steps };
    const condition = /^\{/.test(inner) ? comparison(inner) : null;
    const name = condition === null ? /^[A-Za-z0-9_]*/.exec(inner)![0] : "";
    const rest = (condition === null ? inner.slice(name.length) : condition.rest).trimStart();
    const raw = condition === null ? this.#raw(name) : "";
    if (condition === null && rest === "") return this.#expand(raw, deeper);
    const yes = condition === null ? this.#expand(raw, deeper) !== "" : compare(
      this.#expand(condition.left, deeper).trim(),
      condition.operator,
      this.#expand(condition.right, deeper).trim(),
    );
    const mark = rest[0], { first, second } = branches(rest.slice(1));
    if (mark === "?") return yes ? this.#expand(first, deeper) : second === null ? "" : this.#expand(second, deeper);
    if (mark === ":") return yes ? "" : this.#expand(first, deeper);
    throw new ExpansionError(`nobody knows what \${${inner.slice(0, 30)}} means`);
  }

  #raw(name: string): string {
    this.#asked.add(name);
    return this.overrides.get(name)?.value ?? this.#written.get(name)?.value ?? this.#default(name);
  }
}

/** What stands behind a dollar sign, and where it ends. */
function macroAt(text: string, at: number): { inner: string | null; end: number } {
  const open = text[at];
  if (open !== "{" && open !== "(") {
    const name = /^[A-Za-z0-9_]+/.exec(text.slice(at, at + 100))?.[0];
    return name === undefined ? { inner: null, end: at } : { inner: name, end: at + name.length };
  }
  const close = open === "{" ? "}" : ")";
  let depth = 0;
  for (let end = at; end < text.length; end++) {
    if (text[end] === open) depth++;
    else if (text[end] === close && --depth === 0) return { inner: text.slice(at + 1, end), end: end + 1 };
  }
  throw new ExpansionError(`a ${open} is never closed`);
}

/** `{left} OP {right}` in front of a text. */
function comparison(text: string): { left: string; operator: string; right: string; rest: string } | null {
  const left = macroAt(text, 0);
  const operator = /^\s*(==|!=|<=|>=|<|>)\s*/.exec(text.slice(left.end));
  if (operator === null || text[left.end + operator[0].length] !== "{") return null;
  const right = macroAt(text, left.end + operator[0].length);
  return { left: left.inner!, operator: operator[1]!, right: right.inner!, rest: text.slice(right.end) };
}

function compare(left: string, operator: string, right: string): boolean {
  const numbers = /^[\d.]+$/.test(left) && /^[\d.]+$/.test(right);
  const order = numbers ? Number(left) - Number(right) : left < right ? -1 : left > right ? 1 : 0;
  switch (operator) {
    case "==":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case ">":
      return order > 0;
    case "<=":
      return order <= 0;
    default:
      return order >= 0;
  }
}

/** `{a} : {b}`, `{a}`, or a text without braces to the end. */
function branches(text: string): { first: string; second: string | null } {
  const start = text.trimStart();
  if (!start.startsWith("{")) return { first: start, second: null };
  const first = macroAt(start, 0), behind = start.slice(first.end).trimStart();
  if (!behind.startsWith(":")) return { first: first.inner!.trim(), second: null };
  return { first: first.inner!.trim(), second: withoutBraces(behind.slice(1).trim()) };
}
