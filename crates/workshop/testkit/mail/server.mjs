// A mail server that says what it takes, one line of JSON for each message, and refuses what it is told to.
// node server.mjs PORT MODE [CERT KEY] ; MODE: plain, starttls, tls. A line on stdin is the next answer: `ok`, `450`,
// `550`, `drop`; it holds for one message, then `ok` again. User `bailiwick`, password `open sesame`, where TLS is.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { SMTPServer } from "smtp-server";

const [port, mode, cert, key] = process.argv.slice(2);
const answers = [];
createInterface({ input: process.stdin }).on("line", (line) => {
  answers.push(line);
  console.log("noted");
});

const refusal = (code) => Object.assign(new Error(code === 450 ? "come back later" : "no such person"), { responseCode: code });

const server = new SMTPServer({
  secure: mode === "tls",
  hideSTARTTLS: mode === "plain",
  authOptional: mode === "plain",
  allowInsecureAuth: false,
  logger: false,
  ...(cert ? { cert: readFileSync(cert), key: readFileSync(key) } : {}),
  onAuth(auth, _session, done) {
    const known = auth.username === "bailiwick" && auth.password === "open sesame";
    done(known ? null : Object.assign(new Error("bad credentials"), { responseCode: 535 }), { user: auth.username });
  },
  onRcptTo(_address, session, done) {
    const answer = answers[0] ?? "ok";
    if (answer === "ok") return done();
    answers.shift();
    if (answer === "drop") return session.socket?.destroy?.() ?? done(refusal(450));
    done(refusal(Number(answer)));
  },
  onData(stream, session, done) {
    const parts = [];
    stream.on("data", (part) => parts.push(part));
    stream.on("end", () => {
      const { mailFrom, rcptTo } = session.envelope;
      const text = Buffer.concat(parts).toString("utf8");
      console.log(JSON.stringify({ from: mailFrom.address, to: rcptTo.map((to) => to.address), secure: session.secure, text }));
      done();
    });
  },
});
server.on("error", () => {});
server.listen(Number(port), "127.0.0.1", () => console.log("ready"));
