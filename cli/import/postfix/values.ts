/**
 * Parameters of main.cf that are one value of postern.yaml each: limits, times, bounces, addresses of the way out.
 * Non-job: everything that takes more than a table.
 */
import type { Draft, Value } from "../draft.ts";
import type { Setting } from "./settings.ts";
import type { Site } from "./site.ts";

type Reading = (setting: Setting, draft: Draft) => void;

const to = (key: string, convert: (text: string) => Value | null): Reading => (setting, draft) => {
  const value = convert(setting.value);
  if (value === null) draft.leave(setting.from, `${setting.name} = ${setting.value.slice(0, 60)}`, `write ${key}`);
  else draft.set(key, value, setting.from);
};

/** Octets; 0 is no limit, which is not taken over. */
const octets = (text: string) => /^[1-9]\d{0,14}$/.test(text) ? `${text}B` : null;
const count = (text: string) => /^[1-9]\d{0,8}$/.test(text) ? Number(text) : null;

/** `5d`, `300s`, `1000` (in the unit of the parameter) as a duration of ours. */
export function timeOf(text: string, unit: "s" | "h" | "d" = "s"): string | null {
  const found = /^(\d{1,9})([smhdw]?)$/.exec(text);
  if (found === null || Number(found[1]) === 0) return null;
  const each = found[2] || unit;
  return each === "w" ? `${Number(found[1]) * 7}d` : `${Number(found[1])}${each}`;
}

const READINGS: Readonly<Record<string, Reading>> = {
  smtpd_recipient_limit: to("limits.recipients", count),
  smtpd_hard_error_limit: to("limits.errors", count),
  smtpd_junk_command_limit: to("limits.junk", count),
  smtpd_timeout: to("limits.idleTimeout", (text) => timeOf(text)),
  smtpd_client_connection_count_limit: to("limits.connectionsPerIp", count),
  header_size_limit: to("limits.headerBytes", octets),
  hopcount_limit: to("limits.received", count),
  line_length_limit: to("limits.commandLine", octets),
  default_process_limit: to("limits.connections", count),
  maximal_queue_lifetime: to("delivery.expire", (text) => timeOf(text, "d")),
  bounce_queue_lifetime: to("delivery.nullSenderExpire", (text) => timeOf(text, "d")),
  delay_warning_time: to("delivery.delayNotice", (text) => /^0[hms]?$/.test(text) ? "off" : timeOf(text, "h")),
  default_destination_concurrency_limit: to("delivery.concurrencyPerDomain", count),
  bounce_size_limit: to("delivery.returnSize", octets),
  soft_bounce: (setting, draft) => draft.set("delivery.softBounce", setting.value === "yes", setting.from),
  smtp_bind_address: to("delivery.source.ipv4", (text) => text === "0.0.0.0" || text === "" ? null : text),
  smtp_bind_address6: to("delivery.source.ipv6", (text) => text === "::" || text === "" ? null : text),
  smtp_address_preference: to(
    "delivery.preferFamily",
    (text) => text === "any" ? "none" : /^ipv[46]$/.test(text) ? text : null,
  ),
  disable_vrfy_command: (setting, draft) =>
    draft.idles(setting.from, setting.name, "VRFY tells nobody anything here; vrfy: off of a listener answers 502"),
  always_bcc: (setting, draft) =>
    setting.value.includes("@")
      ? void draft.plugin("archive", setting.from).set("to", setting.value, setting.from).set(
        "direction",
        "both",
        setting.from,
      )
      : draft.leave(setting.from, `always_bcc = ${setting.value}`, "write archive: { to: ADDRESS, direction: both }"),
};

/** Rates of one client, per anvil_rate_time_unit. */
const RATES: Readonly<Record<string, string>> = {
  smtpd_client_connection_rate_limit: "connectionsPerIp",
  smtpd_client_message_rate_limit: "messagesPerIp",
  smtpd_client_recipient_rate_limit: "recipientsPerIp",
};

export function readValues({ settings, draft }: Site): void {
  to("limits.messageSize", octets)(settings.get("message_size_limit"), draft); // its default is smaller than ours
  for (const [name, read] of Object.entries(READINGS)) {
    if (settings.hasWritten(name) && settings.text(name) !== "") read(settings.get(name), draft);
  }
  for (const [name, option] of Object.entries(RATES)) {
    const { value, from } = settings.get(name), unit = timeOf(settings.text("anvil_rate_time_unit") || "60s");
    if (/^[1-9]\d{0,8}$/.test(value) && unit !== null) {
      draft.plugin("rate_limit", from).set(option, `${value}/${unit}`, from);
    }
  }
  const least = settings.get("minimal_backoff_time"), most = settings.get("maximal_backoff_time");
  if (least.isDefault && most.isDefault) return;
  const first = secondsOf(least.value || "300s"), last = secondsOf(most.value || "4000s");
  if (first === null || last === null || last < first) {
    draft.leave(least.from, "minimal_backoff_time", "write delivery.retry");
    return;
  }
  // Postfix waits twice as long each time
  const waits: number[] = [];
  for (let wait = first; wait < last && waits.length < 12; wait *= 2) waits.push(wait);
  draft.set("delivery.retry", [...waits, last].map((each) => `${each}s`), (least.isDefault ? most : least).from);
}

function secondsOf(text: string): number | null {
  const found = /^(\d{1,7})([smhd]?)$/.exec(text);
  if (found === null || Number(found[1]) === 0) return null;
  return Number(found[1]) * { "": 1, s: 1, m: 60, h: 3600, d: 86_400 }[found[2]!]!;
}
