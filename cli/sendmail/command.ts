/**
 * `postern sendmail`, and what the program is when it is called sendmail, mailq or newaliases: the way in for programs of
 * this machine that know no other. Non-job: the modes (a file each).
 */
import { Command } from "commander";
import { type LocalSite, localSite, LocalSiteError } from "../../core/config/local_site.ts";
import { isDropName } from "../../core/maildrop/drop.ts";
import { AdminApi } from "../admin_api.ts";
import { HttpQueue } from "../queue/door.ts";
import { formatEndpoint } from "../../core/config/config.ts";
import { CommandError, DONE, type ExitCode, type Terminal } from "../terminal.ts";
import { parseArguments } from "./arguments.ts";
import { mailqLines } from "./mailq.ts";
import { proxy } from "./proxy.ts";
import { send } from "./send.ts";
import { EX_CONFIG, EX_UNAVAILABLE } from "./sysexits.ts";

/** Names under which the program is a sendmail. */
export const NAMES: ReadonlySet<string> = new Set(["sendmail", "mailq", "newaliases"]);

/** For the list of commands and `postern help sendmail`; main.ts hands the words over as they are. */
export function sendmailCommand(): Command {
  return new Command("sendmail")
    .description("hand in a message as cron, PHP and mail programs do; see docs/sendmail.md")
    .usage("[-t] [-i] [-f sender] [-F name] [-bs | -bp] [recipient...]");
}

/** One command line of a sendmail. `called`: the name that the program has. */
export async function sendmail(args: readonly string[], called: string, terminal: Terminal): Promise<ExitCode> {
  const wanted = parseArguments(args, called);
  if (wanted.mode === "aliases" || wanted.mode === "flush") return DONE; // aliases are read as they are, mail goes by itself
  const site = await siteOf(wanted.config, terminal);
  if (wanted.mode === "smtp") return await proxy(site, terminal);
  if (wanted.mode === "queue") return await mailq(site, terminal);
  return await send(wanted, site, terminal);
}

async function siteOf(config: string | null, terminal: Terminal): Promise<LocalSite> {
  try {
    return await localSite({ ...config !== null && { file: config }, env: terminal.env, cwd: terminal.cwd });
  } catch (error) {
    if (!(error instanceof LocalSiteError)) throw error;
    throw new CommandError(`sendmail: ${error.message}`, EX_CONFIG);
  }
}

async function mailq({ admin, maildrop }: LocalSite, terminal: Terminal): Promise<ExitCode> {
  const dropped = maildrop === null ? 0 : await countDrops(maildrop);
  const api = admin === null ? null : new AdminApi(`http://${formatEndpoint(admin.address)}`, admin.token);
  if (api === null || !await api.answers()) {
    for (const line of dropped ? mailqLines({ items: [], total: 0 }, dropped) : []) terminal.out(line);
    throw new CommandError("mailq: the server does not answer; postern queue list reads its folder", EX_UNAVAILABLE);
  }
  try {
    const page = await new HttpQueue(api).list({ limit: 1000 });
    for (const line of mailqLines(page, dropped)) terminal.out(line);
    return DONE;
  } catch (error) {
    if (error instanceof CommandError) throw new CommandError(`mailq: ${error.message}`, EX_UNAVAILABLE);
    throw error;
  }
}

/** Null where nobody may know. */
async function countDrops(folder: string): Promise<number | null> {
  let count = 0;
  try {
    for await (const { name } of Deno.readDir(folder)) if (isDropName(name)) count++;
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? 0 : null;
  }
  return count;
}
