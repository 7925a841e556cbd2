'use strict';
// A page that came from `restore-archive report --serve` saves decisions there.

(function (page) {
  const WAIT_MS = 400; // several decisions in a row are sent together

  class Server {
    constructor(token, decisions) {
      this.token = token;
      this.decisions = decisions;
      this.state = 'Decisions are saved by the server as you make them.';
      this.sending = Promise.resolve();
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

    // Decisions of this reviewer that the server has, from another browser perhaps.
    async takeSaved() {
      const { files, problems } = await this.ask('decisions', 'GET');
      if (problems.length) this.say(`Not read by the server: ${problems.join('; ')}`);
      const name = this.decisions.reviewer || page.summary.serve.reviewer;
      for (const file of files.filter(({ reviewer }) => reviewer === name))
        this.decisions.merge(file);
    }

    saveSoon() {
      if (!this.decisions.reviewer) return;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        this.sending = this.sending.then(() => this.save());
      }, WAIT_MS);
    }

    async save() {
      try {
        const { decisions } = await this.ask('decisions', 'POST', this.decisions.file());
        this.say(`${page.format.count(decisions, 'decision')} saved by the server.`);
      } catch (error) {
        this.say(`Not saved by the server: ${error.message}`);
      }
    }

    // Writes the decisions into the archive; answers {accepted, rejected, redo, refused, note}.
    async apply() {
      clearTimeout(this.timer);
      await this.sending;
      await this.ask('decisions', 'POST', this.decisions.file());
      return this.ask('apply', 'POST', { reviewer: this.decisions.reviewer });
    }

    say(text) {
      this.state = text;
      this.decisions.dispatchEvent(new Event('saved'));
    }
  }

  page.Server = Server;
})(window.restoreArchive.page);
