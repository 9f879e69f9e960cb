// Run smoke.py in Pyodide: node run.mjs PYODIDE WHEELS HOUSE [TEST …]
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [pyodide, wheels, house, ...tests] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`));
const python = await loadPyodide({ args: ["-B"] });
for (const [place, root] of [["/wheels", wheels], ["/house", house]]) {
  python.FS.mkdirTree(place);
  python.FS.mount(python.FS.filesystems.NODEFS, { root }, place);
}
python.globals.set("arguments", python.toPy(tests));
let code = 1;
try {
  // Not `runPythonAsync`: no event loop may run around the tests.
  code = python.runPython(readFileSync(new URL("smoke.py", import.meta.url), "utf-8"));
} catch (error) {
  console.error(error.message.slice(0, 20000)); // node would print the whole of Pyodide's one line with it
}
process.exit(code);
