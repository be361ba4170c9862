/**
 * smtp-server (Node) with the simplest durable handler one would write: a file per message, synced and renamed before
 * the 250. Usage: node server.mjs PORT FOLDER MODULES KEY CERT (MODULES: the folder that holds node_modules)
 */
import fs from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { Buffer } from "node:buffer";

const [port, folder, modules, key, cert] = process.argv.slice(2);
const { SMTPServer } = createRequire(`${modules}/`)("smtp-server");
fs.mkdirSync(folder, { recursive: true });
let sequence = 0;

const server = new SMTPServer({
  banner: "bench",
  name: "mx.bench.example",
  size: 52428800,
  disabledCommands: ["AUTH"],
  key: fs.readFileSync(key),
  cert: fs.readFileSync(cert),
  authOptional: true,
  disableReverseLookup: true,
  logger: false,
  maxClients: 100000,
  socketTimeout: 300000,
  onData(stream, _session, done) {
    const chunks = [];
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("end", async () => {
      try {
        const name = `${folder}/${(sequence++).toString(36)}`;
        const file = await fs.promises.open(name, "wx", 0o600);
        await file.write(Buffer.concat(chunks));
        await file.sync();
        await file.close();
        await fs.promises.rename(name, `${name}.eml`);
        done();
      } catch (error) {
        done(error);
      }
    });
  },
});
server.on("error", (error) => console.error("server", error.message));
server.listen(Number(port), "127.0.0.1", 4096);
