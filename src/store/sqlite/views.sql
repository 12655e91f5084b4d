-- The models of Fivetran's dbt package as views, column for column, so that a dashboard made for them can be pointed at this file.
-- Braces are written out by views.rs: `us` for microseconds since 1970, `id` for the id of an event.
-- What logs do not say (names of destinations and users) is null. No view shows the account's own life (conn 0).

CREATE VIEW fivetran_platform__connection_status AS
SELECT
    connection_id,
    name AS connection_name,
    type AS connector_type,
    destination AS destination_id,
    NULL AS destination_name,
    health AS connection_health,
    {us: json_extract(summary, '$.last_success_us')} AS last_successful_sync_completed_at,
    {us: json_extract(summary, '$.last_started_us')} AS last_sync_started_at,
    {us: json_extract(summary, '$.last_completed_us')} AS last_sync_completed_at,
    {us: json_extract(summary, '$.created_us')} AS set_up_at,
    (SELECT coalesce(sum(json_extract(days.value, '$[1]')), 0) FROM json_each(life.summary, '$.schema_change_days') AS days
     WHERE unixepoch() / 86400 - (json_extract(days.value, '$[0]')) <= 30) AS number_of_schema_changes_last_month,
    json_extract(summary, '$.errors') AS number_errors_since_last_completed_sync,
    json_extract(summary, '$.warnings') AS number_warnings_since_last_completed_sync
FROM life
WHERE conn <> 0 AND status IS NOT NULL;

-- One row a sync and table that rows were written to. The newest syncs are rows of stage, older ones stand on shelves: there, moments
-- are counted in units and tables named by number.
CREATE VIEW fivetran_platform__audit_table AS
WITH write (conn, schema, name, started, ended, began, until, inserted, updated, deleted, sync) AS (
    SELECT
        stage.conn,
        json_extract(tables.value, '$[0]'),
        json_extract(tables.value, '$[1]'),
        stage.at + json_extract(tables.value, '$[2]'),
        stage.at + json_extract(tables.value, '$[3]'),
        stage.at + began.value,
        stage.until,
        json_extract(tables.value, '$[5].REPLACED_OR_INSERTED'),
        json_extract(tables.value, '$[5].UPDATED'),
        json_extract(tables.value, '$[5].DELETED'),
        {id: stage.at, stage.hash}
    FROM stage
    -- Read once a sync: its body is large where its tables are many.
    LEFT JOIN json_each(stage.body, '$.b') AS began
    JOIN json_each(stage.body, '$.t') AS tables
    WHERE stage.kind = 10 AND stage.conn <> 0 AND json_extract(tables.value, '$[5]') <> '{}'
    UNION ALL
    SELECT
        synced.conn,
        json_extract(synced.names, '$[' || json_extract(tables.value, '$[0]') || '][0]'),
        json_extract(synced.names, '$[' || json_extract(tables.value, '$[0]') || '][1]'),
        synced.at + synced.unit * json_extract(tables.value, '$[1]'),
        synced.at + synced.unit * json_extract(tables.value, '$[2]'),
        synced.at + synced.unit * CASE json_array_length(synced.value) WHEN 4 THEN 0 ELSE json_extract(synced.value, '$[4]') END,
        synced.at + synced.unit * json_extract(synced.value, '$[1]'),
        json_extract(tables.value, '$[3]'),
        json_extract(tables.value, '$[4]'),
        json_extract(tables.value, '$[5]'),
        substr({id: synced.at, 0}, 1, 16) || json_extract(synced.value, '$[2]')
    FROM (
        SELECT
            shelf.conn, shelf.unit, shelf.names, syncs.value AS value, shelf.at + shelf.unit * json_extract(syncs.value, '$[0]') AS at
        FROM shelf
        JOIN json_each(shelf.written) AS syncs
        WHERE shelf.conn <> 0
    ) AS synced
    JOIN json_each(synced.value, '$[3]') AS tables
)
SELECT
    life.connection_id AS connection_id,
    life.name AS connection_name,
    coalesce(write.schema, life.name) AS schema_name,
    write.name AS table_name,
    life.destination AS destination_id,
    NULL AS destination_name,
    {us: write.started} AS write_to_table_start,
    {us: write.ended} AS write_to_table_end,
    {us: write.began} AS sync_start,
    {us: write.until} AS sync_end,
    coalesce(write.inserted, 0) AS sum_rows_replaced_or_inserted,
    coalesce(write.updated, 0) AS sum_rows_updated,
    coalesce(write.deleted, 0) AS sum_rows_deleted,
    write.sync || ':' || coalesce(write.schema, '') || ':' || write.name AS unique_table_sync_key,
    substr({us: write.started}, 1, 10) AS write_to_table_start_day
FROM write
JOIN life ON life.conn = write.conn;

-- One row a change; a change of several tables names all of them.
CREATE VIEW fivetran_platform__schema_changelog AS
SELECT
    life.connection_id AS connection_id,
    life.name AS connection_name,
    life.destination AS destination_id,
    NULL AS destination_name,
    {us: stage.at} AS created_at,
    coalesce(json_extract(stage.body, '$.event'), json_extract(stage.body, '$.stage')) AS event_subtype,
    json_extract(stage.body, '$.data') AS message_data,
    coalesce(
        json_extract(stage.body, '$.table'),
        (SELECT group_concat(DISTINCT json_extract(changes.value, '$.table')) FROM json_each(stage.body, '$.schema_changes') AS changes)
    ) AS table_name,
    coalesce(
        json_extract(stage.body, '$.schema'),
        (SELECT group_concat(DISTINCT json_extract(changes.value, '$.schema')) FROM json_each(stage.body, '$.schema_changes') AS changes)
    ) AS schema_name
FROM stage
JOIN life ON life.conn = stage.conn
WHERE stage.changes = 1 AND stage.conn <> 0;

-- A row for every day from the first event to today, at most ten years of them, and for any other day that has events.
CREATE VIEW fivetran_platform__connection_daily_events AS
WITH RECURSIVE
counted (conn, day, api_calls, rows_modified, schema_changes) AS (
    SELECT day.conn, day.day, day.api_calls, day.rows_modified, day.schema_changes
    FROM day JOIN life ON life.conn = day.conn
    WHERE day.conn <> 0 AND day.day <> json_extract(life.summary, '$.day.day')
    UNION ALL
    -- The newest day is kept with the summary until it is over.
    SELECT conn, json_extract(summary, '$.day.day'), json_extract(summary, '$.day.api_calls'), json_extract(summary, '$.day.rows_modified'),
        json_extract(summary, '$.day.schema_changes')
    FROM life WHERE conn <> 0 AND status IS NOT NULL
),
spine (conn, day, last) AS (
    SELECT conn, max(first.value / 86400000000 - (first.value % 86400000000 < 0), unixepoch() / 86400 - 3660), unixepoch() / 86400
    FROM life JOIN json_each(summary, '$.first_event_us') AS first
    WHERE conn <> 0 AND status IS NOT NULL
        AND first.value / 86400000000 - (first.value % 86400000000 < 0) <= unixepoch() / 86400
    UNION ALL
    SELECT conn, day + 1, last FROM spine WHERE day < last
),
days (conn, day) AS (SELECT conn, day FROM spine UNION SELECT conn, day FROM counted)
SELECT
    date(days.day * 86400, 'unixepoch') AS date_day,
    life.name AS connection_name,
    life.connection_id AS connection_id,
    life.type AS connector_type,
    NULL AS destination_name,
    life.destination AS destination_id,
    coalesce(counted.api_calls, 0) AS count_api_calls,
    coalesce(counted.rows_modified, 0) AS count_record_modifications,
    coalesce(counted.schema_changes, 0) AS count_schema_changes
FROM days
JOIN life ON life.conn = days.conn
LEFT JOIN counted ON counted.conn = days.conn AND counted.day = days.day;

-- What people did; Fivetran itself is left out.
CREATE VIEW fivetran_platform__audit_user_activity AS
SELECT
    date(activity.at / 1000000, 'unixepoch') || ' 00:00:00.000000' AS date_day,
    substr('SunMonTueWedThuFriSat', 1 + 3 * strftime('%w', activity.at / 1000000, 'unixepoch'), 3) AS day_name,
    CAST(strftime('%d', activity.at / 1000000, 'unixepoch') AS INTEGER) AS day_of_month,
    {us: activity.at} AS occurred_at,
    NULL AS destination_name,
    life.destination AS destination_id,
    life.name AS connection_name,
    nullif(life.connection_id, '') AS connection_id,
    CASE WHEN instr(activity.actor, '@') > 0 THEN activity.actor END AS email,
    NULL AS first_name,
    NULL AS last_name,
    CASE WHEN instr(activity.actor, '@') = 0 THEN activity.actor END AS user_id,
    NULL AS destination_role,
    activity.level AS event_type,
    activity.event AS event_subtype,
    activity.data AS message_data,
    {id: activity.at, activity.hash} AS log_id
FROM activity
LEFT JOIN life ON life.conn = activity.conn
WHERE lower(activity.actor) <> 'fivetran';

CREATE VIEW connection_status AS SELECT * FROM fivetran_platform__connection_status;
CREATE VIEW audit_table AS SELECT * FROM fivetran_platform__audit_table;
CREATE VIEW schema_changelog AS SELECT * FROM fivetran_platform__schema_changelog;
CREATE VIEW connection_daily_events AS SELECT * FROM fivetran_platform__connection_daily_events;
CREATE VIEW audit_user_activity AS SELECT * FROM fivetran_platform__audit_user_activity;
