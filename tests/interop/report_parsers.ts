/**
 * Readers of reports that share nothing with their writer: Perl's Mail::DeliveryStatus::BounceParser, by which list managers
 * find dead addresses (it wants LF, as mailboxes of Unix have it), and Python's email package, which names defects where
 * there are any. Non-job: what a report should say.
 */
import { withLf } from "../support/bytes.ts";
import { TempFolder } from "../support/temp.ts";
import { run } from "./run.ts";

const PERL = `
use Mail::DeliveryStatus::BounceParser;
my $bounce = Mail::DeliveryStatus::BounceParser->new(\\*STDIN);
print "bounce=", $bounce->is_bounce ? 1 : 0, " id=", $bounce->orig_message_id || "", "\\n";
for ($bounce->reports) {
  my @reason = map { my $value = $_; $value =~ s/^\\s+|\\s+$//g; $value } map { $_ || "" } (
    $_->get("email"), $_->get("std_reason"), $_->get("smtp_code"), $_->get("Remote-MTA"), $_->get("Status"), $_->get("Action"));
  print join("|", @reason), "\\n";
}
`;

const PYTHON = `
import email, email.policy, json, sys
mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.SMTPUTF8)
def look(part):
    found = {"type": part.get_content_type(), "defects": [type(each).__name__ for each in part.defects]}
    for name in part.keys():
        found["defects"] += [name + ": " + type(each).__name__ for each in getattr(part[name], "defects", [])]
    if part.get_content_type() == "message/delivery-status":
        found["groups"] = [[[name, value] for name, value in group.items()] for group in part.get_payload()]
    elif part.is_multipart():
        found["parts"] = [look(each) for each in part.iter_parts()] if part.get_content_maintype() == "multipart" else [look(each) for each in part.get_payload()]
    elif part.get_content_type() == "text/plain":
        found["text"] = part.get_content()
    return found
print(json.dumps({"from": str(mail["From"].addresses[0]), "to": mail["To"].addresses[0].addr_spec, "subject": mail["Subject"],
    "report": mail.get_param("report-type"), "auto": mail["Auto-Submitted"], "whole": look(mail)}))
`;

/** What a program prints with `content` on its standard input. */
async function through(program: "perl" | "python3", script: string, content: Uint8Array): Promise<string> {
  await using folder = await TempFolder.make();
  await Deno.writeFile(folder.at("report.eml"), content);
  return await run(program, [program === "perl" ? "-e" : "-c", script], { input: folder.at("report.eml") });
}

/** Who failed and why: its lines, the first about the message. */
export async function bounceParser(content: Uint8Array): Promise<readonly string[]> {
  return (await through("perl", PERL, withLf(content))).trim().split("\n");
}

/** A part of a message, and those inside it. */
export interface Looked {
  readonly type: string;
  readonly defects: readonly string[];
  readonly parts?: readonly Looked[];
  readonly groups?: readonly (readonly (readonly [string, string])[])[];
  readonly text?: string;
}
/** Of all parts. */
export const defects = (part: Looked): readonly string[] => [...part.defects, ...(part.parts ?? []).flatMap(defects)];

/** What it finds in a report. */
export interface PythonReport {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly report: string;
  readonly auto: string;
  readonly whole: Looked;
}
export async function pythonEmail(content: Uint8Array): Promise<PythonReport> {
  return JSON.parse(await through("python3", PYTHON, content));
}
