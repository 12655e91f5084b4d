#!/usr/bin/env bash
# Sends two events the way Splunk senders do: JSON objects one after another, each under "event".
#
#   LIFELINE_URL=http://127.0.0.1:8088 LIFELINE_INGEST_TOKEN=… ./curl-hec.sh
#
# Run it twice within a second and the second run is stored as a repeated delivery, not as new events.
set -euo pipefail

: "${LIFELINE_URL:?set it to the address of Lifeline, e.g. http://127.0.0.1:8088}"
: "${LIFELINE_INGEST_TOKEN:?set it to a token that may deliver events}"
url=${LIFELINE_URL%/}
token=${LIFELINE_INGEST_TOKEN#*=} # accepts NAME=TOKEN as in the configuration

seconds=$(date -u +%s)
now=$(date -u +%Y-%m-%dT%H:%M:%S)
sync_id=00000000-0000-4000-8000-$(date -u +%y%m%d%H%M%S)
common='"connector_type":"google_sheets","connector_id":"example_sender","connector_name":"example_sheets.budget","connection_id":"example_sender","connection_name":"example_sheets.budget","sync_id":"'$sync_id'"'

body=$(
    printf '{"time":%s,"source":"fivetran","event":{"event":"sync_start","created":"%s",%s}}\n' \
        "$seconds" "$now.000Z" "$common"
    printf '{"time":%s,"source":"fivetran","event":{"event":"sync_end","data":{"status":"SUCCESSFUL"},"created":"%s",%s}}\n' \
        "$seconds" "$now.900Z" "$common"
)

echo "health:   $(curl --silent --show-error --fail-with-body --max-time 10 "$url/services/collector/health")"

# The header comes from a file descriptor, so the token does not show in the process list.
answer=$(
    curl --silent --show-error --fail-with-body --max-time 30 \
        --header @<(printf 'Authorization: Splunk %s\n' "$token") \
        --header 'X-Splunk-Request-Channel: 6f1d2c3b-4a59-4e68-8b77-9c0d1e2f3a4b' \
        --header 'Content-Type: application/json' \
        --data-binary @- "$url/services/collector/event" <<<"$body"
)
echo "delivery: $answer"
