// Shows /openapi.json: operations by tag, with parameters, bodies and answers, then the schemas.
"use strict";

const node = (name, attributes, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
};

const text = (value) => node("p", {}, value);

// A schema in one line; names link to the section of schemas.
const brief = (schema) => {
  if (!schema) return "";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return node("a", { href: "#schema-" + name }, name);
  }
  if (schema.oneOf) {
    const line = node("span", {});
    schema.oneOf.forEach((one, i) => line.append(i ? " or " : "", brief(one)));
    return line;
  }
  const kinds = [].concat(schema.type ?? "any").join(" or ");
  if (schema.items) return node("span", {}, "array of ", brief(schema.items));
  const rules = ["format", "pattern", "minimum", "maximum", "minLength", "maxLength"]
    .filter((rule) => schema[rule] !== undefined)
    .map((rule) => `${rule} ${schema[rule]}`);
  if (schema.enum) rules.push("one of " + schema.enum.join(", "));
  return rules.length ? `${kinds} (${rules.join("; ")})` : kinds;
};

const table = (heads, rows) =>
  node("table", {},
    node("tr", {}, ...heads.map((head) => node("th", {}, head))),
    ...rows.map((row) => node("tr", {}, ...row.map((cell) => node("td", {}, cell ?? "")))));

const contents = (content) => {
  const list = node("span", {});
  Object.entries(content ?? {}).forEach(([kind, media], i) => list.append(i ? ", " : "", kind + " ", brief(media.schema)));
  return list;
};

const operation = (path, method, item) => {
  const box = node("details", { id: item.operationId },
    node("summary", {}, node("span", { class: "method" }, method.toUpperCase()), node("code", {}, path), " ", item.summary ?? ""));
  if (item.description) box.append(text(item.description));
  if (item.parameters?.length) {
    box.append(node("h4", {}, "Parameters"), table(["name", "in", "value", ""], item.parameters.map((p) =>
      [node("code", {}, p.name + (p.required ? " *" : "")), p.in, brief(p.schema), p.description])));
  }
  if (item.requestBody) box.append(node("h4", {}, "Body"), node("p", {}, contents(item.requestBody.content)));
  box.append(node("h4", {}, "Answers"), table(["status", "", "body"], Object.entries(item.responses).map(([status, answer]) =>
    [status, answer.description, contents(answer.content)])));
  return box;
};

const show = (api) => {
  const page = document.getElementById("page");
  page.replaceChildren(node("h1", {}, api.info.title), text(api.info.description));
  const all = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, item]) => ({ path, method, item })));
  for (const tag of api.tags) {
    page.append(node("h2", {}, tag.name), text(tag.description));
    for (const { path, method, item } of all.filter(({ item }) => item.tags?.includes(tag.name))) {
      page.append(operation(path, method, item));
    }
  }
  page.append(node("h2", {}, "Schemas"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const box = node("details", { id: "schema-" + name }, node("summary", {}, name));
    if (schema.description) box.append(text(schema.description));
    if (schema.properties) {
      box.append(table(["member", "value", ""], Object.entries(schema.properties).map(([member, value]) =>
        [node("code", {}, member + (schema.required?.includes(member) ? " *" : "")), brief(value), value.description])));
    } else {
      box.append(node("pre", {}, JSON.stringify(schema, null, 2)));
    }
    page.append(box);
  }
  // A link to a schema opens it; closed sections would swallow the jump.
  const open = () => document.getElementById(decodeURIComponent(location.hash.slice(1)))?.setAttribute("open", "");
  addEventListener("hashchange", open);
  open();
};

fetch("/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => document.getElementById("page").replaceChildren(text("The document cannot be read: " + error)));
