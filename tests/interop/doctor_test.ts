/**
 * The doctor with real name servers: a signed zone that Unbound validates, a mail host that shows its certificate, a key
 * of ours. Non-job: illness by illness (tests/unit/cli/doctor).
 */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { doctorCommand, type DoctorServices } from "../../cli/doctor/command.ts";
import { lookAt } from "../../cli/doctor/connect.ts";
import type { Finding } from "../../cli/doctor/finding.ts";
import { publicKeyOf } from "../../core/net/tls/certificate.ts";
import { postern } from "../support/cli.ts";
import { testWith } from "../support/debian.ts";
import { NAME_SERVERS, NameServers } from "../support/name_servers.ts";
import { freePort } from "../support/ports.ts";
import { Server } from "../support/server.ts";
import { TempFolder } from "../support/temp.ts";
import { Authority, MAKES_CERTIFICATES } from "../support/tls.ts";
import { FakeTerminal } from "../unit/cli/fake_terminal.ts";

const POLICY = "version: STSv1\nmode: enforce\nmx: mx.signed.example\nmax_age: 604800\n";

testWith(
  [...NAME_SERVERS, ...MAKES_CERTIFICATES],
  "doctor: a signed zone, a host that shows its certificate, a key of ours",
  async (t) => {
    await using folder = await TempFolder.make();
    await using authority = await Authority.make();
    const pair = await authority.issue({ names: ["mx.signed.example"] });
    const port = freePort(), admin = freePort();
    const keygen = await postern([
      "dkim",
      "keygen",
      "--domain",
      "signed.example",
      "--selector",
      "s1",
      "--type",
      "ed25519",
      "--out",
      "key.pem",
    ], {
      cwd: folder.path,
    });
    assertEquals(keygen.code, 0, keygen.err);
    const record = /IN TXT (".*")/.exec(keygen.out)![1]!;
    const config = `hostname: mx.signed.example
domains: [signed.example]
data: ${folder.at("data")}
listeners: [{ address: "127.0.0.1:${port}" }]
tls: { certificates: [{ cert: ${pair.certFile}, key: ${pair.keyFile} }] }
admin: { address: "127.0.0.1:${admin}", token: token-of-the-tests }
delivery: { source: { ipv4: 198.51.100.7 } }
plugins:
  - inbox: { everything: true }
  - dkim_sign: { keys: [{ domain: signed.example, selector: s1, key: ${folder.at("key.pem")} }] }
`;
    const file = await folder.file("postern.yaml", config);
    // From an address that this machine lacks nothing is sent: the doctor alone reads that line
    await using _server = await Server.start({
      config: config.replace(/^delivery:.*\n/m, ""),
      ports: { smtp: port, admin },
    });
    const shown = await lookAt("127.0.0.1", "doctor.example", port);
    assert(shown.kind === "tls", JSON.stringify(shown));
    const digest = createHash("sha256").update(publicKeyOf(shown.chain[0]!)).digest("hex");
    await using names = await NameServers.start({
      "signed.example": {
        signed: true,
        records: `@ MX 10 mx
@ TXT "v=spf1 ip4:198.51.100.7 -all"
mx A 198.51.100.7
s1._domainkey TXT ${record}
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@signed.example"
_mta-sts TXT "v=STSv1; id=1"
_smtp._tls TXT "v=TLSRPTv1; rua=mailto:t@signed.example"
_25._tcp.mx TLSA 3 1 1 ${digest}`,
      },
      "100.51.198.in-addr.arpa": { records: "7 PTR mx.signed.example." },
    });

    const examine = async (args: readonly string[], services: DoctorServices = {}) => {
      const terminal = new FakeTerminal({ cwd: folder.path });
      let code = -1;
      const command = doctorCommand(terminal, (result) => void (code = result), {
        fetch: () => Promise.resolve(new Response(POLICY, { headers: { "content-type": "text/plain" } })),
        connect: () => lookAt("127.0.0.1", "doctor.example", port),
        ...services,
      });
      await command.parseAsync(["signed.example", "--json", "--server", `127.0.0.1:${names.port}`, ...args], {
        from: "user",
      });
      return { code, findings: JSON.parse(terminal.text).findings as Finding[] };
    };
    const says = (findings: readonly Finding[], topic: string) =>
      findings.filter((each) => each.topic === topic).map(({ level, says }) => `${level}: ${says}`).join("\n");

    await t.step("all is well, by the configuration and by what the host shows", async () => {
      for (const args of [["--config", file], ["--config", file, "--connect"]]) {
        const { code, findings } = await examine(args);
        assertEquals(findings.filter(({ level }) => level !== "well"), [], names.port.toString());
        assertEquals(code, 0);
        assert(/the key that we sign by/.test(says(findings, "DKIM")), says(findings, "DKIM"));
        assert(/is the one that DNS names/.test(says(findings, "DANE")), says(findings, "DANE"));
        assert(/Mail from 198\.51\.100\.7 passes/.test(says(findings, "SPF")), says(findings, "SPF"));
      }
    });

    await t.step("another certificate than DNS names, another key than we sign by", async () => {
      const other = await authority.issue({ names: ["mx.signed.example"] });
      const made = await postern([
        "dkim",
        "keygen",
        "--domain",
        "signed.example",
        "--selector",
        "s1",
        "--out",
        "other.pem",
      ], {
        cwd: folder.path,
      });
      assertEquals(made.code, 0, made.err);
      const changed = config.replace(pair.certFile, other.certFile).replace("key.pem", "other.pem");
      const { code, findings } = await examine(["--config", await folder.file("changed.yaml", changed)]);
      assertEquals(code, 1);
      assert(/wrong: .*not the one that DNS names/.test(says(findings, "DANE")), says(findings, "DANE"));
      assert(/wrong: s1: the record has another key/.test(says(findings, "DKIM")), says(findings, "DKIM"));
      const wanted = findings.find(({ topic, level }) => topic === "DKIM" && level === "wrong")!.publish[0]!;
      assert(made.out.replace(/"\s*"/g, "").includes(wanted.value.slice(0, 60)), wanted.value);
    });

    await t.step("a host that nobody reaches is not known to be well", async () => {
      const { code, findings } = await examine(["--connect"], {
        connect: () => lookAt("127.0.0.1", "x.example", freePort()),
      });
      assertEquals(code, 1);
      assert(
        /unknown: mx\.signed\.example .*was not reached/.test(says(findings, "Certificates")),
        JSON.stringify(findings),
      );
    });
  },
);
