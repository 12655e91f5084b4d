// Delivers the events with Node's client libraries.
//
// node_clients.js NAME delivers with one client; `list` prints the names, each with a path that the server has to serve.
// Settings come from the environment: HOST, PORT, TOKEN, EVENTS, AWS_ID, AWS_SECRET; NODE_EXTRA_CA_CERTS trusts the server.
'use strict';

const fs = require('node:fs');

const { HOST, PORT, TOKEN, EVENTS, AWS_ID, AWS_SECRET } = process.env;
const BASE = `https://${HOST}:${PORT}`;
const lines = fs.readFileSync(EVENTS, 'utf8').trim().split('\n');
const events = lines.map((line) => JSON.parse(line));
// What the sender says of an event that does not say it itself.
const levelOf = (event) => ({ warning: 'warn', connection_failure: 'error' })[event.event] || 'info';
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Logs every event through a winston transport, and waits until it has taken them all. */
async function winstonAll(transport, log = (logger, level, line) => logger.log(level, line)) {
  const winston = require('winston');
  let failed = null;
  transport.on('error', (error) => { failed = error; });
  const logger = winston.createLogger({ level: 'debug', transports: [transport] });
  logger.on('error', (error) => { failed = error; });
  events.forEach((event, at) => log(logger, levelOf(event), lines[at], event));
  await pause(2500);
  if (failed) throw failed;
}

const clients = {
  'splunk-logging': ['/services/collector', async () => {
    const { Logger } = require('splunk-logging');
    const logger = new Logger({ token: TOKEN, url: BASE, maxBatchCount: 0 });
    logger.requestOptions.strictSSL = true;
    for (const event of events) logger.send({ message: event, severity: levelOf(event) });
    await new Promise((resolve, reject) => {
      logger.flush((error, response, body) => (error || body.code !== 0 ? reject(error || body.text) : resolve()));
    });
  }],

  'winston-splunk-httplogger': ['/services/collector', async () => {
    const Transport = require('winston-splunk-httplogger');
    await winstonAll(new Transport({ splunk: { token: TOKEN, url: BASE } }));
  }],

  'winston-loki': ['/loki/api/v1/push', async () => {
    const Transport = require('winston-loki');
    const errors = [];
    const transport = new Transport({
      host: BASE, basicAuth: `fivetran:${TOKEN}`, labels: { app: 'fivetran' }, interval: 1, onConnectionError: (e) => errors.push(e),
    });
    await winstonAll(transport);
    await transport.flush();
    if (errors.length > 0) throw errors[0];
  }],

  'pino-loki': ['/loki/api/v1/push', async () => {
    const pino = require('pino');
    const options = { host: BASE, basicAuth: { username: 'fivetran', password: TOKEN }, batching: false, silenceErrors: false };
    const transport = pino.transport({ target: 'pino-loki', options });
    const logger = pino(transport);
    events.forEach((event) => logger[levelOf(event)](event));
    await pause(3000);
    transport.end();
  }],

  'datadog-winston': ['/v1/input/{segment}', async () => {
    const Transport = require('datadog-winston');
    const transport = new Transport({ apiKey: TOKEN, ddsource: 'fivetran', service: 'salesforce' });
    // It knows Datadog's regions only.
    transport.api = `${BASE}/v1/input/${TOKEN}`;
    await winstonAll(transport, (logger, level, line, event) => logger.log({ level, message: event.event, ...event }));
  }],

  '@newrelic/telemetry-sdk': ['/log/v1', async () => {
    const { logs } = require('@newrelic/telemetry-sdk').telemetry;
    const client = new logs.LogClient({ apiKey: TOKEN, host: HOST, port: Number(PORT) });
    const list = events.map((event, at) => new logs.Log(lines[at], Date.now(), { level: levelOf(event) }));
    const batch = new logs.LogBatch(list, { 'service.name': 'fivetran' });
    await new Promise((resolve, reject) => {
      client.send(batch, (error, response, body) => {
        if (error || response.statusCode !== 202) reject(error || new Error(`${response.statusCode} ${body}`));
        else resolve();
      });
    });
  }],

  '@opentelemetry/exporter-logs-otlp-http': ['/v1/logs', () => otlp('@opentelemetry/exporter-logs-otlp-http')],
  '@opentelemetry/exporter-logs-otlp-proto': ['/v1/logs', () => otlp('@opentelemetry/exporter-logs-otlp-proto')],

  'winston-cloudwatch': ['/', async () => {
    const Transport = require('winston-cloudwatch');
    let failed = null;
    const transport = new Transport({
      logGroupName: 'winston', logStreamName: 's', jsonMessage: false, uploadRate: 500, errorHandler: (error) => { failed = error; },
      messageFormatter: (info) => info.message,
      awsOptions: { region: 'eu-central-1', endpoint: BASE, credentials: { accessKeyId: AWS_ID, secretAccessKey: AWS_SECRET } },
    });
    await winstonAll(transport);
    await new Promise((resolve) => transport.kthxbye(resolve));
    if (failed) throw failed;
  }],
};

async function otlp(name) {
  const { OTLPLogExporter } = require(name);
  const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');
  const { SeverityNumber } = require('@opentelemetry/api-logs');
  const exporter = new OTLPLogExporter({ url: `${BASE}/v1/logs`, headers: { 'x-api-key': TOKEN } });
  const results = [];
  const send = exporter.export.bind(exporter);
  exporter.export = (records, done) => send(records, (result) => { results.push(result); done(result); });
  const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
  const logger = provider.getLogger('fivetran');
  const numbers = { warn: SeverityNumber.WARN, error: SeverityNumber.ERROR, info: SeverityNumber.INFO };
  events.forEach((event) => logger.emit({ severityNumber: numbers[levelOf(event)], body: event }));
  await provider.shutdown();
  if (results.length === 0 || results.some((result) => result.code !== 0)) throw new Error(JSON.stringify(results));
}

async function main(name) {
  if (name === 'list') {
    for (const [client, [path]] of Object.entries(clients)) console.log(`${path}\t${client}`);
    return;
  }
  await clients[name][1]();
  process.exit(0);
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
