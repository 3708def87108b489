// Holds dashboards to Grafana's own schema: node check.mjs FILE.json ...
//
// Each file is compiled as a constant of the type `Board` (board.ts), by tsc with `strict`, once
// against the newest schema and once against that of the oldest Grafana that is promised. What
// does not fit is printed and makes the exit status 1.

import { readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const SCHEMAS = {
  newest: 'node_modules/@grafana/schema/dist/types/index.d.ts',
  oldest: 'node_modules/grafana-schema-oldest/dist/esm/index.d.mts',
};

/** Constants of the type `Board`, by the names that the compiler knows them by. */
function sources(files) {
  const made = new Map();
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    JSON.parse(text);
    const name = join(here, `${made.size}-${basename(file)}.ts`);
    const head = "import type { Board } from './board';\nexport const board: Board = ";
    made.set(name, { file, text: `${head}${text.trimEnd()};\n` });
  }
  return made;
}

function faults(schema, made) {
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, types: [],
    target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    paths: { '@grafana/schema': [join(here, schema)] },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => made.has(name) || fileExists.call(host, name);
  host.readFile = (name) => made.get(name)?.text ?? readFile.call(host, name);
  host.getSourceFile = (name, ...rest) => made.has(name)
    ? ts.createSourceFile(name, made.get(name).text, options.target)
    : getSourceFile.call(host, name, ...rest);
  const program = ts.createProgram([...made.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map((fault) => {
    const text = ts.flattenDiagnosticMessageText(fault.messageText, '\n  ');
    if (!fault.file) return text;
    const { line } = fault.file.getLineAndCharacterOfPosition(fault.start);
    const from = made.get(fault.file.fileName);
    // The line before the document is the import.
    return from ? `${from.file}:${line}: ${text}` : `${fault.file.fileName}:${line + 1}: ${text}`;
  });
}

const files = process.argv.slice(2).map((file) => resolve(file));
if (files.length === 0) throw new Error('which files?');
const made = sources(files);
for (const [name, schema] of Object.entries(SCHEMAS)) {
  const found = faults(schema, made);
  for (const fault of found) console.error(`${name} schema: ${fault}`);
  if (found.length > 0) process.exitCode = 1;
}
if (!process.exitCode) console.log(`${files.length} dashboards fit ${Object.keys(SCHEMAS)}`);
