"""Delivers the events with Python's client libraries.

python_clients.py NAME delivers with one client; `list` prints the names, each with a path that the server has to serve.
Settings come from the environment: HOST, PORT, TOKEN, CA (a PEM file), EVENTS, AWS_ID, AWS_SECRET,
SECRET (of webhooks).
"""

import json
import logging
import os
import sys
import time

HOST, PORT, TOKEN, CA = (os.environ[name] for name in ("HOST", "PORT", "TOKEN", "CA"))
BASE = f"https://{HOST}:{PORT}"
LINES = [line.rstrip("\n") for line in open(os.environ["EVENTS"], encoding="utf-8")]
# What the sender says of an event that does not say it itself.
LEVELS = {"warning": logging.WARNING, "connection_failure": logging.ERROR}

os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = os.environ["AWS_CA_BUNDLE"] = CA
CLIENTS = {}


def client(name, path):
    """Registers a client under its package's name."""

    def register(function):
        CLIENTS[name] = (path, function)
        return function

    return register


def each():
    """Every event: its line, its logging level, itself."""
    for line in LINES:
        event = json.loads(line)
        yield line, LEVELS.get(event["event"], logging.INFO), event


def log_all(handler, as_object=False):
    """Logs every event through a handler of the standard library's logging."""
    logger = logging.getLogger("fivetran")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    for line, level, event in each():
        logger.log(level, event if as_object else line)


def post(path, body, expected, **headers):
    import requests

    answer = requests.post(BASE + path, data=body, headers=headers, timeout=30)
    assert answer.status_code == expected, f"{path}: {answer.status_code} {answer.text}"
    return answer


@client("splunk-handler", "/services/collector")
def splunk_handler():
    from splunk_handler import SplunkHandler, force_flush

    log_all(SplunkHandler(HOST, PORT, TOKEN, "main", verify=CA, sourcetype="_json", flush_interval=0.5))
    force_flush()


@client("splunk-hec-handler", "/services/collector")
def splunk_hec_handler():
    from splunk_hec_handler import SplunkHecHandler

    log_all(SplunkHecHandler(HOST, TOKEN, port=PORT, proto="https", ssl_verify=CA), as_object=True)


@client("python-logging-loki", "/loki/api/v1/push")
def python_logging_loki():
    import logging_loki

    log_all(logging_loki.LokiHandler(f"{BASE}/loki/api/v1/push", auth=("fivetran", TOKEN), version="1"))


@client("loki-logger-handler", "/loki/api/v1/push")
def loki_logger_handler():
    from loki_logger_handler.loki_logger_handler import LokiLoggerHandler

    url = f"{BASE}/loki/api/v1/push"
    log_all(LokiLoggerHandler(url, {"app": "fivetran"}, auth=("fivetran", TOKEN), timeout=1, enable_self_errors=True))
    time.sleep(3)


@client("datadog-api-client", "/api/v2/logs")
def datadog_api_client():
    from datadog_api_client import ApiClient, Configuration
    from datadog_api_client.v2.api.logs_api import LogsApi
    from datadog_api_client.v2.model.content_encoding import ContentEncoding
    from datadog_api_client.v2.model.http_log import HTTPLog
    from datadog_api_client.v2.model.http_log_item import HTTPLogItem

    # The one server of this operation is Datadog's; its parts can be set.
    configuration = Configuration(ssl_ca_cert=CA)
    configuration.api_key["apiKeyAuth"] = TOKEN
    words = {logging.WARNING: "warn", logging.ERROR: "error"}
    items = [
        HTTPLogItem(ddsource="fivetran", message=line, service="salesforce", status=words.get(level, "info"))
        for line, level, _ in each()
    ]
    with ApiClient(configuration) as api_client:
        api = LogsApi(api_client)
        endpoint = next(e for n, e in vars(api).items() if n.endswith("submit_log_endpoint"))
        endpoint.settings["servers"] = [{"url": BASE, "variables": {}}]
        api.submit_log(HTTPLog(items), content_encoding=ContentEncoding.GZIP)


@client("newrelic-telemetry-sdk", "/log/v1")
def newrelic_telemetry_sdk():
    from newrelic_telemetry_sdk import Log, LogClient

    logs = [Log(line, level=logging.getLevelName(level)) for line, level, _ in each()]
    answer = LogClient(TOKEN, host=HOST, port=int(PORT), ca_certs=CA).send_batch(logs)
    answer.raise_for_status()


@client("opentelemetry-exporter-otlp-proto-http", "/v1/logs")
def opentelemetry():
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry._logs import LogRecord, SeverityNumber

    numbers = {logging.WARNING: SeverityNumber.WARN, logging.ERROR: SeverityNumber.ERROR}
    exporter = OTLPLogExporter(
        f"{BASE}/v1/logs", certificate_file=CA, headers={"authorization": f"Bearer {TOKEN}"}, compression=Compression.Gzip
    )
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("fivetran")
    for _, level, event in each():
        number = numbers.get(level, SeverityNumber.INFO)
        logger.emit(LogRecord(timestamp=time.time_ns(), severity_number=number, body=event))
    provider.shutdown()


def aws(service_name):
    import boto3

    keys = {"aws_access_key_id": os.environ["AWS_ID"], "aws_secret_access_key": os.environ["AWS_SECRET"]}
    return boto3.client(service_name, region_name="eu-central-1", endpoint_url=BASE, verify=CA, **keys)


@client("boto3", "/")
def boto3():
    logs = aws("logs")
    logs.create_log_group(logGroupName="fivetran")
    logs.create_log_stream(logGroupName="fivetran", logStreamName="salesforce")
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line, _, _ in each()]
    logs.put_log_events(logGroupName="fivetran", logStreamName="salesforce", logEvents=events)


@client("watchtower", "/")
def watchtower():
    import watchtower

    handler = watchtower.CloudWatchLogHandler(
        log_group_name="watchtower", log_stream_name="s", boto3_client=aws("logs"), send_interval=1
    )
    log_all(handler)
    handler.close()


@client("azure-monitor-ingestion", "/dataCollectionRules/{segment}/streams/{segment2}")
def azure_monitor_ingestion():
    from azure.core.credentials import AccessToken
    from azure.monitor.ingestion import LogsIngestionClient

    class Fixed:
        def get_token(self, *scopes, **kwargs):
            return AccessToken(TOKEN, int(time.time()) + 3600)

    with LogsIngestionClient(BASE, Fixed(), connection_verify=CA) as logs:
        logs.upload("dcr-00000000000000000000000000000000", "Custom-Fivetran_CL", [event for _, _, event in each()])


@client("google-cloud-logging", "/v2/entries:write")
def google_cloud_logging():
    from google.cloud import logging as cloud
    from google.oauth2.credentials import Credentials

    options = {"api_endpoint": BASE}
    logs = cloud.Client(project="project", credentials=Credentials(TOKEN), client_options=options, _use_grpc=False)
    batch = logs.logger("fivetran").batch()
    for _, level, event in each():
        batch.log_struct(event, severity=logging.getLevelName(level))
    batch.commit()


@client("requests (native JSON)", "/v1/events")
def native():
    answer = post("/v1/events", "\n".join(LINES).encode(), 200, Authorization=f"Bearer {TOKEN}")
    assert answer.json()["quarantined"] == 0, answer.text


@client("requests (Fivetran webhook)", "/v1/webhooks/fivetran")
def webhook():
    import hashlib
    import hmac

    for line, _, _ in each():
        signature = hmac.new(os.environ["SECRET"].encode(), line.encode(), hashlib.sha256).hexdigest().upper()
        post("/v1/webhooks/fivetran", line.encode(), 200, **{"X-Fivetran-Signature-256": signature})


@client("requests (Firehose)", "/v1/firehose")
def firehose():
    import base64
    import gzip

    events = [{"id": str(at), "timestamp": 1, "message": line} for at, line in enumerate(LINES)]
    document = {"messageType": "DATA_MESSAGE", "logGroup": "fivetran", "logStream": "s", "logEvents": events}
    data = base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()
    body = json.dumps({"requestId": "client-suite", "timestamp": 1, "records": [{"data": data}]}).encode()
    headers = {"X-Amz-Firehose-Access-Key": TOKEN, "X-Amz-Firehose-Request-Id": "client-suite"}
    assert post("/v1/firehose", body, 200, **headers).json()["requestId"] == "client-suite"


@client("requests (Pub/Sub push)", "/v1/pubsub")
def pubsub():
    import base64

    for at, (line, level, _) in enumerate(each()):
        entry = {"jsonPayload": json.loads(line), "severity": logging.getLevelName(level)}
        data = base64.b64encode(json.dumps(entry).encode()).decode()
        message = {"data": data, "messageId": str(at), "publishTime": "2026-11-20T13:12:10Z"}
        body = json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()
        post(f"/v1/pubsub?token={TOKEN}", body, 204)


@client("requests (Dynatrace)", "/api/v2/logs/ingest")
def dynatrace():
    records = [{"content": line, "loglevel": logging.getLevelName(level)} for line, level, _ in each()]
    headers = {"Authorization": f"Api-Token {TOKEN}", "Content-Type": "application/json; charset=utf-8"}
    post("/api/v2/logs/ingest", json.dumps(records).encode(), 204, **headers)


@client("requests (Logplex)", "/v1/drains/logplex")
def logplex():
    frames = b""
    for line, _, _ in each():
        message = f"<190>1 2026-08-17T09:50:00.000000+00:00 host app web.1 - {line}\n".encode()
        frames += str(len(message)).encode() + b" " + message
    headers = {"Content-Type": "application/logplex-1", "Logplex-Msg-Count": str(len(LINES))}
    import base64

    headers["Authorization"] = "Basic " + base64.b64encode(f"drain:{TOKEN}".encode()).decode()
    post("/v1/drains/logplex", frames, 200, **headers)


if __name__ == "__main__":
    if sys.argv[1] == "list":
        for name, (path, _) in CLIENTS.items():
            print(f"{path}\t{name}")
    else:
        CLIENTS[sys.argv[1]][1]()
