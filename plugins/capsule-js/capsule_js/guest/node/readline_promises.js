import readline, { createInterface as create } from "./readline.js";

function createInterface(...args) {
  const made = create(...args);
  const { question } = made;
  made.question = (query) => new Promise((resolve) => question.call(made, query, resolve));
  return made;
}

export default { Interface: readline.Interface, createInterface };
