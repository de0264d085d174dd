// node kubernetes.mjs FILE...: checks manifests without a cluster.
//
// It checks values against the published schemas (kubernetes-models), names against the types
// of these schemas (TypeScript refuses an unknown field; the schemas do not), and a few
// values that have to fit each other. It prints what is wrong, and then exits with 1.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import ts from 'typescript'
import { parse, parseAllDocuments } from 'yaml'

const bad = []
const objects = {}
const services = []
for (const file of process.argv.slice(2)) {
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'), { uniqueKeys: true })) {
    for (const e of [...document.errors, ...document.warnings]) bad.push(`${file}: ${e.message}`)
    const object = document.toJS()
    const path = `kubernetes-models/${object.apiVersion}`
    const models = await import(path)
    const model = models[object.kind]
    if (!model) {
      bad.push(`${file}: no ${object.kind} in ${object.apiVersion}`)
      continue
    }
    try {
      new model(object).validate()
    } catch (e) {
      bad.push(`${file}: ${e.message}`)
    }
    typed(file, path, object)
    objects[object.kind] = object
    if (object.kind === 'Service') services.push(object)
  }
}

// typed lets the compiler check the object as a literal, in which unknown fields are errors.
function typed(file, path, object) {
  const source = new URL(`.manifest-${process.pid}.ts`, import.meta.url).pathname
  const options = { noEmit: true, strict: true, skipLibCheck: true, types: [],
    module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }
  writeFileSync(source, `import { I${object.kind} } from '${path}'\n` +
    `export const object: I${object.kind} = ${JSON.stringify(object, null, 1)}\n`)
  try {
    const program = ts.createProgram([source], options)
    for (const d of ts.getPreEmitDiagnostics(program)) {
      const line = d.file && d.file.text.split('\n')[d.file.getLineAndCharacterOfPosition(d.start).line].trim()
      bad.push(`${file}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')} (${line})`)
    }
  } finally {
    if (existsSync(source)) rmSync(source)
  }
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)
const { Deployment, StatefulSet, ConfigMap, PodDisruptionBudget } = objects
const workload = Deployment ?? StatefulSet
const pod = workload.spec.template
const [container] = pod.spec.containers
const labels = pod.metadata.labels
const config = parse(ConfigMap.data['gateway.yaml'])
const drain = Number(config.drain.replace(/s$/, ''))
const stop = container.lifecycle.preStop.sleep.seconds
const grace = pod.spec.terminationGracePeriodSeconds
if (grace !== drain + 15 || stop + drain >= grace) bad.push(`grace period ${grace}, preStop ${stop}, drain ${drain}`)
for (const { kind, spec } of [workload, PodDisruptionBudget, ...services]) {
  if (!same(spec.selector.matchLabels ?? spec.selector, labels)) bad.push(`${kind} selects other pods`)
}
const ports = container.ports.map(p => p.name)
for (const port of [...services.flatMap(s => s.spec.ports.map(p => p.targetPort)), container.readinessProbe.httpGet.port]) {
  if (!ports.includes(port)) bad.push(`no port ${port}`)
}
for (const { configMap } of pod.spec.volumes) {
  if (configMap && configMap.name !== ConfigMap.metadata.name) bad.push(`no ConfigMap ${configMap.name}`)
}
for (const { name } of container.volumeMounts) {
  const volumes = [...pod.spec.volumes, ...(workload.spec.volumeClaimTemplates ?? []).map(v => v.metadata)]
  if (!volumes.some(v => v.name === name)) bad.push(`no volume ${name}`)
}
const opened = [config.listen[0].address, config.admin.address]
if (StatefulSet) {
  opened.push(config.hub.cluster)
  const { name } = services.find(s => s.spec.clusterIP === 'None').metadata
  if (name !== StatefulSet.spec.serviceName) bad.push(`no Service ${StatefulSet.spec.serviceName}`)
  const routes = Array.from({ length: StatefulSet.spec.replicas }, (_, i) => `${StatefulSet.metadata.name}-${i}.${name}${config.hub.cluster}`)
  if (!same(routes, config.hub.routes)) bad.push(`routes are ${config.hub.routes}, not ${routes}`)
}
if (!same(opened, container.ports.map(p => `:${p.containerPort}`))) bad.push(`gateway.yaml opens ${opened}`)

console.log(bad.length ? bad.join('\n') : `${Object.keys(objects).length} objects`)
process.exit(bad.length ? 1 : 0)
