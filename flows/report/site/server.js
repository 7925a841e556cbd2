'use strict';
// A page that came from `restore-archive report --serve` saves decisions there.

(function (page) {
  const WAIT_MS = 400; // several decisions in a row are sent together

  class Server {
    constructor(token, decisions) {
      this.token = token;
      this.decisions = decisions;
      this.state = 'Decisions are saved by the server as you make them.';
      this.turns = Promise.resolve();
      this.takenOf = undefined; // whose decisions were taken from the server
      this.savedOf = undefined; // in whose file on the server they are
      decisions.addEventListener('change', () => this.saveSoon());
    }

    async ask(path, method, body) {
      const answer = await fetch(path, {
        method,
        headers: { 'X-Restore-Archive-Token': this.token, 'Content-Type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const data = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(data.error ?? `The server answered ${answer.status}.`);
      return data;
    }

    // Takes what the server has of this reviewer, from another browser perhaps. A save replaces
    // all of that, so nothing is saved before.
    async takeSaved() {
      const name = this.decisions.reviewer || page.summary.serve.reviewer;
      if (this.takenOf === name) return;
      const { files, problems } = await this.ask('decisions', 'GET');
      if (problems.length) this.say(`Not read by the server: ${problems.join('; ')}`);
      for (const file of files.filter(({ reviewer }) => reviewer === name)) {
        this.decisions.merge(file);
        this.savedOf ??= name;
      }
      this.takenOf = name;
      await this.takeSaved(); // the name may be another one meanwhile
    }

    start() {
      return this.inTurn(async () => {
        try {
          await this.takeSaved();
        } catch (error) {
          this.say(this.untaken(error));
        }
      });
    }

    untaken(error) {
      return `What the server has cannot be read, so nothing is saved there: ${error.message} It is tried again with your next decision.`;
    }

    // One thing after another: a save that overtook an older one would be undone by it.
    inTurn(work) {
      const done = this.turns.then(work);
      this.turns = done.catch(() => {}); // whoever asked for the work hears of it
      return done;
    }

    saveSoon() {
      if (!this.decisions.reviewer) return;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.inTurn(() => this.save()), WAIT_MS);
    }

    async save() {
      try {
        const { decisions } = await this.store();
        this.say(`${page.format.count(decisions, 'decision')} saved by the server.`);
      } catch (error) {
        const isTaken = this.takenOf !== undefined;
        this.say(isTaken ? `Not saved by the server: ${error.message}` : this.untaken(error));
      }
    }

    // Puts all decisions into the reviewer's file; answers with how many, and with the decisions.
    async store() {
      await this.takeSaved();
      const file = this.decisions.file();
      const sent = this.decisions.all();
      const { decisions } = await this.ask('decisions', 'POST', file);
      // Under the name that was corrected there are none any more; only now, so that the server
      // has them at all times.
      const earlier = this.savedOf ?? file.reviewer;
      if (earlier !== file.reviewer)
        await this.ask('decisions', 'POST', { ...file, reviewer: earlier, decisions: [] });
      this.savedOf = file.reviewer;
      return { decisions, sent, reviewer: file.reviewer };
    }

    // Writes the decisions into the archive; answers {accepted, rejected, redo, refused, note}, refused
    // as [{source, reason}]. Those stay here, and so do those that were made or changed meanwhile.
    apply() {
      clearTimeout(this.timer);
      return this.inTurn(async () => {
        const { sent, reviewer } = await this.store();
        const answer = await this.ask('apply', 'POST', { reviewer });
        const refused = new Set(answer.refused.map(({ source }) => source));
        this.decisions.removeUnchanged(sent.filter(({ source }) => !refused.has(source)));
        return answer;
      });
    }

    say(text) {
      this.state = text;
      this.decisions.dispatchEvent(new Event('saved'));
    }
  }

  page.Server = Server;
})(window.restoreArchive.page);
