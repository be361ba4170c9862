/** The data folder of every release, opened by this version: nothing that was promised with a 250 is lost, or forgotten. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { makeBackup } from "../../cli/backup/make.ts";
import { restoreBackup } from "../../cli/backup/restore.ts";
import { verifyBackup } from "../../cli/backup/verify.ts";
import { loadConfig } from "../../core/config/load.ts";
import { startServer } from "../../core/server.ts";
import { openSqliteStore } from "../../core/store/sqlite.ts";
import { Api } from "../support/api.ts";
import { postern } from "../support/cli.ts";
import { HookReceiver } from "../support/hook_receiver.ts";
import { MailSink } from "../support/mail_sink.ts";
import { freePort } from "../support/ports.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { configOf, HOOK_KEY, type Release } from "./release.ts";

const HERE = new URL("./", import.meta.url).pathname, TOKEN = "token-of-the-tests";
const releases = [...Deno.readDirSync(HERE)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name).sort();

Deno.test("the release that deno.json names has its data folder here", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert(releases.includes(version), `deno run -A tests/releases/make.ts ${version}`);
});

for (const version of releases) {
  Deno.test(`the data folder of ${version}: mail, queue, ledger, what was learned, events, recordings`, async () => {
    const release: Release = JSON.parse(await Deno.readTextFile(`${HERE}${version}/release.json`));
    await using folder = await TempFolder.make("postern-release-");
    await using sink = await MailSink.open();
    await using hooks = HookReceiver.start(HOOK_KEY);
    const { success } = await new Deno.Command("cp", { args: ["-r", `${HERE}${version}/data`, folder.path] }).output();
    assert(success);
    const data = folder.at("data"), admin = freePort();
    const file = await folder.file("postern.yaml", configOf({ away: sink.port, hook: hooks.url }));
    const env = {
      POSTERN_DATA: data,
      MAILDIRS: `${data}/mail`,
      POSTERN_ADMIN_TOKEN: TOKEN,
      POSTERN_SMTP: `127.0.0.1:${freePort()}`,
      POSTERN_ADMIN: `127.0.0.1:${admin}`,
    };

    // Without a server: the folder itself is read
    const offline = async (...args: string[]) => {
      const { code, out, err } = await postern([...args, "-c", file], { env, deadline: 60_000 });
      assertEquals([code, err], [0, ""], args.join(" "));
      return out;
    };
    const queued = await offline("queue", "list");
    assertMatch(queued, /bob@away\.example/);
    assertMatch(queued, /carol@held\.example/);
    assertMatch(await offline("explain", release.ids["for away"]!), /bob@away\.example/);
    assertMatch(await offline("train", "status"), /^spam_score: 1 spam and 0 ham known/);

    const config = await loadConfig({ file, env }), began = Date.now();
    const server = await startServer(config, { now: () => release.made + 120_000 + Date.now() - began });
    try {
      const api = new Api(`http://127.0.0.1:${admin}`, TOKEN);
      await waitFor("the deferred message to arrive", () => sink.messages.length > 0, { deadline: 60_000 });
      const arrived = new TextDecoder().decode(sink.messages[0]);
      assertStringIncludes(arrived, "Subject: for away\r\n");
      assertStringIncludes(arrived, `Kept from ${version}.\r\n`);
      const { items } = await api.queue();
      const held = items.find(({ id }) => id === release.ids["held"]!.replace(/-\d+$/, ""));
      assertEquals(held?.recipients.map(({ address, state }) => [address, state]), [["carol@held.example", "held"]]);

      assertEquals((await api.messages()).map(({ subject }) => subject), ["for an inbox"]);
      for (const [subject, id] of Object.entries(release.ids)) {
        const story = await (await api.get(`/api/v1/explain/${id}`)).text();
        assertStringIncludes(story, "sender@example.net", subject);
      }
      assertStringIncludes(await (await api.get(`/api/v1/explain/${release.session}`)).text(), "client.example.net");

      const inMaildir = () => textsBelow(`${data}/mail`);
      assert(inMaildir().some((text) => text.includes("Subject: for a Maildir")), "a Maildir");
      await waitFor(
        "the dropped message",
        () => inMaildir().some((text) => text.includes("Subject: from the maildrop")),
        {
          deadline: 60_000,
        },
      );
      await waitFor("the events that waited", () => hooks.heard.length >= 4, { deadline: 60_000 });
      assertEquals(new Set(hooks.heard.slice(0, 4).map(({ type }) => type)), new Set(["accepted"]));
      const recorded = textsBelow(`${data}/recordings`);
      assert(recorded.some((text) => text.includes("client.example.net")), "a recording");
    } finally {
      await server.stop();
    }
  });
}

for (const version of releases) {
  Deno.test(`a backup of the data folder of ${version} is whole, comes back and opens`, async () => {
    const release: Release = JSON.parse(await Deno.readTextFile(`${HERE}${version}/release.json`));
    await using folder = await TempFolder.make("postern-release-");
    const { success } = await new Deno.Command("cp", { args: ["-r", `${HERE}${version}/data`, folder.at("old")] })
      .output();
    assert(success);
    await makeBackup(folder.at("backup"), { data: folder.at("old"), store: "sqlite" });
    const { manifest, queue, faults } = await verifyBackup(folder.at("backup"));
    assertEquals(faults.told, []);
    assert(queue!.messages >= 3);
    await restoreBackup(folder.at("backup"), manifest!, { data: folder.at("data") });
    const store = await openSqliteStore({ folder: folder.at("data") });
    try {
      for (const subject of ["for away", "held"]) {
        const item = await store.item(release.ids[subject]!.replace(/-\d+$/, ""));
        assertEquals(item?.message.summary.subject, subject);
      }
      assertEquals((await store.inboxes.list({})).messages.map(({ subject }) => subject), ["for an inbox"]);
    } finally {
      await store.close();
    }
  });
}

function textsBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? textsBelow(`${folder}/${name}`) : [Deno.readTextFileSync(`${folder}/${name}`)]
  );
}
