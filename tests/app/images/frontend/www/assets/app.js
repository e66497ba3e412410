"use strict";

async function api(path, options = {}) {
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem("token");
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(`/api${path}`, { headers, ...options });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

function element(name, text, children = []) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

async function showProjects() {
  const projects = await api("/projects");
  const rows = projects.map((project) =>
    element("tr", undefined, [element("td", project.name), element("td", `${project.runs} test runs`)]));
  document.getElementById("app").replaceChildren(element("h1", "Projects"), element("table", undefined, rows));
}

function showLogin() {
  const email = element("input");
  const password = element("input");
  password.type = "password";
  const form = element("form", undefined, [email, password, element("button", "Log in")]);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = JSON.stringify({ email: email.value, password: password.value });
    sessionStorage.setItem("token", (await api("/auth/login", { method: "POST", body })).token);
    await showProjects();
  });
  document.getElementById("app").replaceChildren(element("h1", "QAID"), form);
}

sessionStorage.getItem("token") ? showProjects().catch(showLogin) : showLogin();
