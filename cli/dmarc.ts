/**
 * `postern dmarc FILE...`: aggregate reports that others sent (RFC 9990, RFC 7489), as a table or as JSON. Takes them as they
 * come: XML, packed by gzip or zip, or the mail itself. Non-job: unpacking and reading (plugins/identity/dmarc), keeping them.
 */
import { resolve } from "node:path";
import { Command } from "commander";
import type { AggregateReport, ReportRow } from "../plugins/identity/dmarc/report.ts";
import { parseReport } from "../plugins/identity/dmarc/report_reader.ts";
import { unpack, UnpackError } from "../plugins/identity/dmarc/unpack.ts";
import { XmlError } from "../plugins/identity/dmarc/xml.ts";
import { CommandError, DONE, type ExitCode, NO, type Terminal } from "./terminal.ts";

/** Octets of one file. */
const MAX_FILE = 64 * 1024 * 1024;

interface DmarcOptions {
  readonly json?: true;
}

export function dmarcCommand(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  return new Command("dmarc").description("show DMARC aggregate reports: what others saw of mail in your name")
    .argument("<file...>", "XML, .xml.gz, .zip or a mail with one of these; - is standard input")
    .option("--json", "print JSON")
    .action(async (files: readonly string[], { json }: DmarcOptions) => {
      const reports: (AggregateReport & { readonly file: string })[] = [];
      let code: ExitCode = DONE;
      for (const file of files) {
        try {
          for (const report of await read(file, terminal)) reports.push({ file, ...report });
        } catch (error) {
          if (!(error instanceof CommandError)) throw error;
          terminal.err(`postern: ${plain(error.message)}`); // the others may be good
          code = NO;
        }
      }
      if (json) terminal.out(JSON.stringify({ reports }, null, 2));
      else for (const report of reports) for (const line of linesOf(report)) terminal.out(line);
      finish(code);
    });
}

async function read(file: string, terminal: Terminal): Promise<readonly AggregateReport[]> {
  const octets = await octetsOf(file, terminal);
  try {
    return (await unpack(octets)).map(parseReport);
  } catch (error) {
    if (error instanceof UnpackError || error instanceof XmlError) throw new CommandError(`${file}: ${error.message}`);
    throw error;
  }
}

async function octetsOf(file: string, terminal: Terminal): Promise<Uint8Array<ArrayBuffer>> {
  if (file === "-") return new Uint8Array(await terminal.input());
  const path = resolve(terminal.cwd, file);
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_FILE) throw new CommandError(`${file}: it is larger than ${MAX_FILE} octets`);
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${file}: ${(error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ")}`);
  }
}

const COLUMNS = ["COUNT", "IP", "DONE", "DKIM", "SPF", "FROM", "SIGNED BY", "SENDER", "WHY"];

function linesOf(report: AggregateReport): string[] {
  const { policy, rows } = report, total = rows.reduce((sum, row) => sum + row.count, 0);
  const tags = Object.entries({
    p: policy.p,
    sp: policy.sp,
    np: policy.np,
    adkim: policy.adkim,
    aspf: policy.aspf,
    t: policy.testing,
  })
    .filter(([, value]) => value !== null && value !== "").map(([name, value]) => `${name}=${value}`);
  const cells = rows.toSorted((a, b) => b.count - a.count).map(cellsOf);
  const widths = COLUMNS.map((name, at) =>
    cells.reduce((most, row) => Math.max(most, Math.min(row[at]!.length, 50)), name.length)
  );
  const line = (row: readonly string[]) => row.map((cell, at) => cell.padEnd(widths[at]!)).join("  ").trimEnd();
  return [
    `${policy.domain} as ${report.organization} saw it, ${moment(report.begin)} to ${moment(report.end)}: ${total} ${
      total === 1 ? "message" : "messages"
    }; ${tags.join(" ")}`,
    ...report.errors.map((error) => `  ${error}`),
    `  ${line(COLUMNS)}`,
    ...cells.map((row) => `  ${line(row)}`),
    "",
  ].map(plain);
}

function cellsOf(row: ReportRow): string[] {
  const signed = row.signatures.map(({ domain, selector, result }) => `${domain}/${selector}=${result}`);
  const sender = row.senders.map(({ domain, result }) => `${domain}=${result}`);
  return [
    String(row.count),
    row.ip,
    row.disposition,
    row.dkim,
    row.spf,
    row.headerFrom,
    signed.join(" ") || "-",
    sender.join(" ") || "-",
    row.reasons.map(({ type, comment }) => comment === "" ? type : `${type} (${comment})`).join(", ") || "-",
  ];
}

function moment(seconds: number): string {
  return seconds === 0 || seconds > 253_402_300_799 ? "?" : `${new Date(seconds * 1000).toISOString().slice(0, 16)}Z`;
}

/** Strangers wrote this. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}
