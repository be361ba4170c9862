/** Signed return paths as Exim writes and checks them: several hosts of one domain may share a secret. */
import { assertEquals } from "@std/assert";
import { Tags } from "../../plugins/access/bounce/tag.ts";
import { EXIM_ACCOUNT, EXIM_MISSING } from "../support/exim.ts";
import { testUnless } from "../support/debian.ts";
import { TempFolder } from "../support/temp.ts";
import { inWorld, unpacked } from "../support/unpacked.ts";
import { run } from "./run.ts";

const SECRET = "a secret of some length";

testUnless(EXIM_MISSING, "BATV: Exim takes our tags, and we take Exim's", async () => {
  await using folder = await TempFolder.make("postern-exim-batv-");
  const conf = await folder.file("exim.conf", `spool_directory = ${folder.path}\nkeep_environment =\n`);
  /** What each expression becomes. */
  const expand = async (...texts: string[]): Promise<string[]> => {
    const command = [unpacked("exim4"), "-C", conf, "-be", ...texts];
    const [program, ...args] = await inWorld(folder.path, { accounts: EXIM_ACCOUNT }, command);
    return (await run(program!, args)).trimEnd().split("\n");
  };
  const address = { local: "bob.smith", domain: "example.org" };
  const tags = new Tags({ secrets: [SECRET], key: 4, days: 7 });

  const [theirs = ""] = await expand(`\${prvs{bob.smith@example.org}{${SECRET}}{4}}`);
  const read = await tags.read({ ...address, local: theirs.slice(0, theirs.lastIndexOf("@")) }, Date.now());
  assertEquals([read?.address, read?.expired], [address, false], theirs);

  const { local, domain } = await tags.sign(address, Date.now()), ours = `${local}@${domain}`;
  const forged = ours.replace(/[0-9a-f](?==bob)/, (digit) => digit === "0" ? "1" : "0");
  const check = (path: string) =>
    `\${if eq{\${prvscheck{${path}}{${SECRET}}}}{}{unsigned}{\${if def:prvscheck_result{good}{bad}}}}`;
  assertEquals(await expand(check(ours), check(forged), check("bob@example.org")), ["good", "bad", "unsigned"]);
});
