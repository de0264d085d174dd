// node schema.mjs DRAFTWIRE SCHEMA FILE...: holds the JSON Schema of configurations against Ajv.
//
// Every FILE has to be valid, and so has what "draftwire config init" writes, as it is and with
// the keys that it has commented out. Of configs.yaml what is right has to be accepted, and what
// is wrong refused, by the schema and by "draftwire config check" alike.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { parse, stringify } from 'yaml'

const [draftwire, schema, ...files] = process.argv.slice(2)
const bad = []
const printed = execFileSync(draftwire, ['config', 'schema'], { encoding: 'utf8' })
if (printed !== readFileSync(schema, 'utf8')) bad.push(`"config schema" does not print ${schema}`)
const validate = new Ajv({ strict: true, strictTypes: false, allowUnionTypes: true, allErrors: true }).compile(JSON.parse(printed))
const faults = () => validate.errors.map(e => `${e.instancePath} ${e.message}`).join('; ')

const example = execFileSync(draftwire, ['config', 'init'], { encoding: 'utf8' })
const [comment, ...rest] = example.split('\n\n')
const whole = rest.join('\n\n').replace(/^( *)# /gm, '$1')
if (!comment.startsWith(`# yaml-language-server: $schema=${JSON.parse(printed).$id}\n`)) bad.push('"config init" does not name the schema')
const shipped = { 'config init': example, 'config init, all keys': whole }
for (const f of files) shipped[f] = readFileSync(f, 'utf8')
for (const [name, text] of Object.entries(shipped)) {
  if (!validate(parse(text))) bad.push(`${name}: ${faults()}`)
}

let n = 0
for (const { right, wrong } of parse(readFileSync(new URL('configs.yaml', import.meta.url), 'utf8'))) {
  const config = right ?? wrong
  config.routes ??= [{ backends: ['ws://127.0.0.1:9000'] }]
  const valid = validate(config)
  const check = spawnSync(draftwire, ['config', 'check', '--no-files', '-'], { input: stringify(config), encoding: 'utf8' })
  if (valid !== Boolean(right)) bad.push(`the schema: ${JSON.stringify(config)}: ${valid ? 'accepted' : faults()}`)
  if ((check.status === 0) !== Boolean(right)) bad.push(`config check: ${JSON.stringify(config)}: ${check.stderr || 'accepted'}`)
  n++
}
console.log(bad.length ? bad.join('\n') : `${Object.keys(shipped).length} files, ${n} configurations`)
process.exit(bad.length ? 1 : 0)
