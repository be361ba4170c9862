/**
 * Values that the configuration and the running server know: ids of what waits, domains, next hops, whom the lists name. Few, and
 * the newest. Non-job: where they may stand (complete.ts).
 */
import type { Command } from "commander";
import { loadConfig } from "../../core/config/load.ts";
import { shortId } from "../../core/model/id.ts";
import { runningServer } from "../admin_api.ts";
import { HttpBans } from "../ban/door.ts";
import { HttpLedger } from "../ledger/door.ts";
import { HttpQueue } from "../queue/door.ts";
import { HttpSuppressions } from "../suppress/door.ts";
import type { Terminal } from "../terminal.ts";
import type { Candidate } from "./complete.ts";

const MOST = 50;
const NAMES = new Set(["id", "domain", "nexthop", "address", "client"]);

/**
 * `name`: what the value is called in the help.
 *
 * @throws what stands in the way of knowing.
 */
export async function known(
  name: string,
  { command, words, terminal }: {
    readonly command: Command;
    readonly words: readonly string[];
    readonly terminal: Terminal;
  },
): Promise<readonly Candidate[]> {
  const group = command.parent?.parent === null ? command.name() : command.parent?.name() ?? "";
  if (!NAMES.has(name)) return [];
  const load = async () => {
    const at = words.findIndex((each) => each === "--config" || each === "-c"),
      file = at < 0 ? undefined : words[at + 1];
    return await loadConfig({ ...file === undefined ? {} : { file }, env: terminal.env, cwd: terminal.cwd });
  };
  const config = await load();
  if (name === "nexthop") return [...config.nextHops.keys()].map((text) => ({ text, about: "" }));
  const api = await runningServer(config); // a folder would have to be locked: a server that starts would find it taken
  if (api === null) return [];
  const queued = async () =>
    (await new HttpQueue(api).list({ ...group === "quarantine" && { state: "held" }, limit: MOST })).items;
  switch (`${group === "quarantine" ? "queue" : group} ${name}`) {
    case "queue id":
      return (await queued()).map(({ id, from, recipients }) => ({
        text: id,
        about: `<${from}> to <${recipients[0]?.address ?? ""}>`,
      }));
    case "queue domain": {
      const all = (await queued()).flatMap(({ recipients }) => recipients.map(({ address }) => domainIn(address)));
      return [...new Set(all)].filter((each) => each !== "").map((text) => ({ text, about: "" }));
    }
    case "explain id": {
      const { entries } = await new HttpLedger(api).search({ limit: String(MOST) });
      return entries.map(({ id, verdict, ip, sender }) => ({
        text: shortId(id),
        about: `${verdict} ${ip}${sender === null ? "" : ` <${sender}>`}`,
      }));
    }
    case "suppress address": {
      const items = command.name() === "remove" ? await new HttpSuppressions(api).list({ limit: MOST }) : [];
      return items.map(({ address, reason }) => ({ text: address, about: reason }));
    }
    case "ban client": {
      const items = command.name() === "remove" ? await new HttpBans(api).list({ limit: MOST }) : [];
      return items.map(({ subject, reason }) => ({ text: subject, about: reason }));
    }
    default:
      return [];
  }
}

function domainIn(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}
