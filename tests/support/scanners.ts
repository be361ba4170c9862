/**
 * clamd, spamd and rspamd from Debian as tests want them: on a port of loopback, without network, with as little as finds
 * the usual test lines. Job: their configurations. Non-job: starting and stopping (engine_process.ts).
 */
import { programOf } from "./debian.ts";
import { EngineProcess, exchange } from "./engine_process.ts";

/** The line that every spam filter knows; in two parts, so that no filter takes this file for spam. */
export const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
/** The text that every virus scanner knows, likewise. */
export const EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

const root = Deno.uid() === 0;
const hex = (text: string) => new TextEncoder().encode(text).toHex();

/** clamd with one signature, `Test.Eicar`, and a StreamMaxLength of 200 KiB. */
export function startClamd(): Promise<EngineProcess> {
  return EngineProcess.start({
    name: "clamd",
    async prepare(folder, port) {
      await folder.file("db/test.ndb", `Test.Eicar:0:*:${hex(EICAR)}\n`);
      const settings = [
        `DatabaseDirectory ${folder.at("db")}`,
        `TCPSocket ${port}`,
        "TCPAddr 127.0.0.1",
        `TemporaryDirectory ${folder.path}`,
        "Foreground yes",
        "StreamMaxLength 200K",
        "MaxThreads 4",
      ];
      return [programOf("clamd")!, "-c", await folder.file("clamd.conf", `${settings.join("\n")}\n`)];
    },
    alive: async (port) => await exchange(port, "zPING\0", 5) === "PONG\0",
  });
}

/** spamd with the rules that come with it, local tests only. */
export function startSpamd(): Promise<EngineProcess> {
  return EngineProcess.start({
    name: "spamd",
    async prepare(folder, port) {
      await folder.file("site/local.pre", "loadplugin Mail::SpamAssassin::Plugin::Check\n");
      await folder.file("site/local.cf", "use_bayes 0\nuse_auto_welcomelist 0\n");
      const where = [
        "--listen",
        `127.0.0.1:${port}`,
        "--siteconfigpath",
        folder.at("site"),
        "--pidfile",
        folder.at("pid"),
      ];
      const how = ["-L", "-x", "--max-children", "2", "--min-children", "1", "-s", "stderr"];
      await Deno.mkdir(folder.at("home"), { mode: 0o777 });
      return [programOf("spamd")!, ...where, ...how, "-H", folder.at("home"), ...root ? ["-u", "nobody"] : []];
    },
    alive: async (port) => (await exchange(port, "PING SPAMC/1.5\r\n\r\n", 12)).startsWith("SPAMD/"),
  });
}

/** What it heard of the envelope is an option of the symbol ENVELOPE; a subject `action X` is a wish for action X. */
const LUA = `
rspamd_config:register_symbol{ name = "ENVELOPE", score = 0.1, type = "normal", callback = function(task)
  local to = {}
  for _, each in ipairs(task:get_recipients("smtp") or {}) do table.insert(to, each.addr) end
  local from = task:get_from("smtp")
  local said = { tostring(task:get_from_ip()), task:get_helo() or "-", task:get_hostname() or "-",
    from and from[1] and from[1].addr or "-", table.concat(to, "|"), task:get_user() or "-",
    tostring(task:get_request_header("Deliver-To") or "-"), tostring(task:get_size()) }
  task:set_milter_reply({ add_headers = { ["X-Envelope"] = table.concat(said, " ") }, remove_headers = { ["X-Gone"] = 0 } })
  return true, 1.0
end }
rspamd_config:register_symbol{ name = "WISH", type = "postfilter", callback = function(task)
  local action = (task:get_header("Subject") or ""):match("^action ([a-z]+ ?[a-z]+)")
  if action then task:set_pre_result(action, "as wished") end
end }
`;

/** rspamd with GTUBE and the rules above. */
export function startRspamd(): Promise<EngineProcess> {
  return EngineProcess.start({
    name: "rspamd",
    async prepare(folder, port) {
      for (const name of ["run", "db"]) {
        await Deno.mkdir(folder.at(name));
        await Deno.chmod(folder.at(name), 0o777);
      }
      const config = `options {
  filters = "";
  pidfile = "${folder.at("run/pid")}";
  control_socket = "${folder.at("run/control")} mode=0600";
  tempdir = "${folder.at("run")}";
  hs_cache_dir = "${folder.at("db")}/";
  cache_file = "${folder.at("db/symbols")}";
  history_file = "${folder.at("db/history")}";
  url_tld = "${await folder.file("tlds", "com\nnet\norg\n")}"; # of all there are it makes automata for ten seconds
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
}
logging { type = "console"; level = "warning"; }
actions { reject = 15; add_header = 6; subject = "***SPAM*** %s"; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; mime = true; }
lua = "${await folder.file("rules.lua", LUA)}";
`;
      const path = await folder.file("rspamd.conf", config);
      return [programOf("rspamd")!, "-f", "-c", path, ...root ? ["-u", "nobody", "-g", "nogroup"] : ["-i"]];
    },
    alive: async (port) => (await exchange(port, "GET /ping HTTP/1.0\r\n\r\n", 12)).startsWith("HTTP/1.1 200"),
  });
}
