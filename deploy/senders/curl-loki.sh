#!/usr/bin/env bash
# Sends two events as lines of a Loki stream, JSON form. Loki answers 204 with an empty body.
#
#   LIFELINE_URL=http://127.0.0.1:8088 LIFELINE_INGEST_TOKEN=… ./curl-loki.sh
set -euo pipefail

: "${LIFELINE_URL:?set it to the address of Lifeline, e.g. http://127.0.0.1:8088}"
: "${LIFELINE_INGEST_TOKEN:?set it to a token that may deliver events}"
url=${LIFELINE_URL%/}
token=${LIFELINE_INGEST_TOKEN#*=} # accepts NAME=TOKEN as in the configuration

nanoseconds=$(date -u +%s)000000000 # `date +%N` is not available everywhere
now=$(date -u +%Y-%m-%dT%H:%M:%S)
sync_id=00000000-0000-4000-8000-$(date -u +%y%m%d%H%M%S)

event() { # event NAME TIME [MEMBERS]
    printf '{"event":"%s",%s"created":"%s","connector_type":"google_sheets","connector_id":"example_sender","connector_name":"example_sheets.budget","connection_id":"example_sender","connection_name":"example_sheets.budget","sync_id":"%s"}' \
        "$1" "${3:-}" "$2" "$sync_id"
}

quoted() { # a JSON string holding the text; the events above contain no backslash and no line break
    printf '"%s"' "${1//\"/\\\"}"
}

started=$(quoted "$(event sync_start "$now.000Z")")
ended=$(quoted "$(event sync_end "$now.900Z" '"data":{"status":"SUCCESSFUL"},')")
body='{"streams":[{"stream":{"job":"fivetran","level":"INFO"},"values":[["'$nanoseconds'",'$started'],["'$nanoseconds'",'$ended']]}]}'

status=$(
    printf '%s' "$body" | curl --silent --show-error --fail-with-body --max-time 30 \
        --header @<(printf 'Authorization: Bearer %s\n' "$token") \
        --header 'Content-Type: application/json' \
        --write-out '%{http_code}' \
        --data-binary @- "$url/loki/api/v1/push"
)
echo "delivery: status $status"
