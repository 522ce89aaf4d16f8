-- Makes an archive a table of Trino (Hive connector), and its raw lines a column.
-- Made by "go generate ./archive" (TrinoTables) from the columns and the log-format strings; do not edit.
--
-- Before: write your bucket and prefix for s3://BUCKET/PREFIX/, and your catalog and schema for lake.logs. The catalog needs
-- connector.name=hive and hive.timestamp-precision=MILLISECONDS (the default). Columns x_..., which formats of your own
-- brought, can be added: ALTER TABLE lake.logs.archive ADD COLUMN x_name varchar.
--
-- A new hour is seen after CALL lake.system.sync_partition_metadata('logs', 'archive', 'ADD'); new objects in a known one
-- at once. Names that begin with _ are passed over.

CREATE TABLE IF NOT EXISTS lake.logs.archive (
    "node" varchar,
    "source" varchar,
    "offset" bigint,
    "path" varchar,
    "read_time" timestamp(3),
    "flags" integer,
    "format" varchar,
    "raw" varbinary,
    "time" timestamp(3),
    "utc_offset" integer,
    "client_ip" varchar,
    "client_port" integer,
    "frontend_ip" varchar,
    "frontend_port" integer,
    "backend_ip" varchar,
    "backend_port" integer,
    "server_ip" varchar,
    "server_port" integer,
    "frontend" varchar,
    "frontend_tls" boolean,
    "bind" varchar,
    "mode" varchar,
    "backend" varchar,
    "server" varchar,
    "time_request_ms" integer,
    "time_queue_ms" integer,
    "time_connect_ms" integer,
    "time_response_ms" integer,
    "time_active_ms" integer,
    "time_total_ms" integer,
    "time_handshake_ms" integer,
    "time_idle_ms" integer,
    "time_to_request_ms" integer,
    "time_data_ms" integer,
    "time_user_ms" integer,
    "status" integer,
    "bytes_read" bigint,
    "bytes_uploaded" bigint,
    "asap" boolean,
    "request_cookie" varchar,
    "response_cookie" varchar,
    "termination_state" varchar,
    "connections_process" integer,
    "connections_frontend" integer,
    "connections_backend" integer,
    "connections_server" integer,
    "retries" integer,
    "redispatched" boolean,
    "queue_server" integer,
    "queue_backend" integer,
    "http_method" varchar,
    "http_path" varchar,
    "http_query" varchar,
    "http_version" varchar,
    "http_request" varchar,
    "req_header_1" varchar,
    "req_header_2" varchar,
    "req_header_3" varchar,
    "req_header_4" varchar,
    "req_header_5" varchar,
    "req_header_6" varchar,
    "req_header_7" varchar,
    "req_header_8" varchar,
    "res_header_1" varchar,
    "res_header_2" varchar,
    "res_header_3" varchar,
    "res_header_4" varchar,
    "res_header_5" varchar,
    "res_header_6" varchar,
    "res_header_7" varchar,
    "res_header_8" varchar,
    "header_1" varchar,
    "header_2" varchar,
    "header_3" varchar,
    "header_4" varchar,
    "header_5" varchar,
    "header_6" varchar,
    "header_7" varchar,
    "header_8" varchar,
    "unique_id" varchar,
    "log_origin" varchar,
    "hostname" varchar,
    "pid" integer,
    "frontend_log_counter" bigint,
    "request_counter" bigint,
    "accept_ms" integer,
    "accept_seconds" bigint,
    "tls_version" varchar,
    "tls_cipher" varchar,
    "tls_sni" varchar,
    "tls_resumed" varchar,
    "fc_err" varchar,
    "tls_fc_err" varchar,
    "tls_client_err" varchar,
    "tls_client_ca_err" varchar,
    "message" varchar,
    "wrapper" varchar,
    "prefix" varchar,
    "prefix_fraction" varchar,
    "syslog_facility" integer,
    "syslog_severity" integer,
    "syslog_host" varchar,
    "syslog_tag" varchar,
    "syslog_pid" varchar,
    "syslog_msgid" varchar,
    "structured_data" varchar,
    "stream" varchar,
    "wrapper_time" timestamp(3),
    "parts" varchar,
    "labels" varchar,
    "namespace" varchar,
    "pod" varchar,
    "container" varchar,
    "container_id" varchar,
    "dt" varchar,
    "hour" varchar
) WITH (
    external_location = 's3://BUCKET/PREFIX/',
    format = 'PARQUET',
    partitioned_by = ARRAY['dt', 'hour']
);

CALL lake.system.sync_partition_metadata('logs', 'archive', 'FULL');

-- All columns, and:
-- wrapped  what lay in the file, byte for byte, without its LF. Of a line that a container runtime wrote as several records
--          (the column parts is set) all of them, with LFs between them.
-- line     the line as HAProxy wrote it: what a container runtime put around it is taken off. (The text of Docker's JSON has
--          U+FFFD for bytes that are not UTF-8, as Docker wrote it. What is no JSON to Trino stays as it lay in the file.)
-- They may hold any bytes; from_utf8 makes them texts.
--
--   SELECT from_utf8(line) FROM lake.logs.archive_lines WHERE dt = '2026-11-22' AND hour = '16' ORDER BY node, source, "offset"
CREATE OR REPLACE VIEW lake.logs.archive_lines SECURITY INVOKER AS
SELECT "node", "source", "offset", "path", "read_time", "flags", "format", "raw", "time", "utc_offset", "client_ip", "client_port", "frontend_ip", "frontend_port", "backend_ip", "backend_port", "server_ip", "server_port", "frontend", "frontend_tls", "bind", "mode", "backend", "server", "time_request_ms", "time_queue_ms", "time_connect_ms", "time_response_ms", "time_active_ms", "time_total_ms", "time_handshake_ms", "time_idle_ms", "time_to_request_ms", "time_data_ms", "time_user_ms", "status", "bytes_read", "bytes_uploaded", "asap", "request_cookie", "response_cookie", "termination_state", "connections_process", "connections_frontend", "connections_backend", "connections_server", "retries", "redispatched", "queue_server", "queue_backend", "http_method", "http_path", "http_query", "http_version", "http_request", "req_header_1", "req_header_2", "req_header_3", "req_header_4", "req_header_5", "req_header_6", "req_header_7", "req_header_8", "res_header_1", "res_header_2", "res_header_3", "res_header_4", "res_header_5", "res_header_6", "res_header_7", "res_header_8", "header_1", "header_2", "header_3", "header_4", "header_5", "header_6", "header_7", "header_8", "unique_id", "log_origin", "hostname", "pid", "frontend_log_counter", "request_counter", "accept_ms", "accept_seconds", "tls_version", "tls_cipher", "tls_sni", "tls_resumed", "fc_err", "tls_fc_err", "tls_client_err", "tls_client_ca_err", "message", "wrapper", "prefix", "prefix_fraction", "syslog_facility", "syslog_severity", "syslog_host", "syslog_tag", "syslog_pid", "syslog_msgid", "structured_data", "stream", "wrapper_time", "parts", "labels", "namespace", "pod", "container", "container_id", "dt", "hour", wrapped, CASE
    WHEN wrapper = 'cri' OR wrapper LIKE 'cri+%' THEN
        from_hex(replace(regexp_replace(regexp_replace(to_hex(wrapped), '..', '$0 '), '(^|0A )(?:(?:0[0-9B-F]|2[1-9A-F]|[13-9A-F][0-9A-F]) )+20 73 74 64 (?:6F 75 74|65 72 72) 20 (?:46|50) (?:(?:0[0-9B-F]|2[1-9A-F]|[13-9A-F][0-9A-F]) )*(?:20 )?', ''), ' ', ''))
    WHEN (wrapper = 'docker' OR wrapper LIKE 'docker+%') AND none_match(logs, log -> log IS NULL) THEN
        to_utf8(regexp_extract(array_join(logs, ''), '(?s)\A(.*?)\n?\z', 1))
    ELSE wrapped END AS line
FROM (
    SELECT "node", "source", "offset", "path", "read_time", "flags", "format", "raw", "time", "utc_offset", "client_ip", "client_port", "frontend_ip", "frontend_port", "backend_ip", "backend_port", "server_ip", "server_port", "frontend", "frontend_tls", "bind", "mode", "backend", "server", "time_request_ms", "time_queue_ms", "time_connect_ms", "time_response_ms", "time_active_ms", "time_total_ms", "time_handshake_ms", "time_idle_ms", "time_to_request_ms", "time_data_ms", "time_user_ms", "status", "bytes_read", "bytes_uploaded", "asap", "request_cookie", "response_cookie", "termination_state", "connections_process", "connections_frontend", "connections_backend", "connections_server", "retries", "redispatched", "queue_server", "queue_backend", "http_method", "http_path", "http_query", "http_version", "http_request", "req_header_1", "req_header_2", "req_header_3", "req_header_4", "req_header_5", "req_header_6", "req_header_7", "req_header_8", "res_header_1", "res_header_2", "res_header_3", "res_header_4", "res_header_5", "res_header_6", "res_header_7", "res_header_8", "header_1", "header_2", "header_3", "header_4", "header_5", "header_6", "header_7", "header_8", "unique_id", "log_origin", "hostname", "pid", "frontend_log_counter", "request_counter", "accept_ms", "accept_seconds", "tls_version", "tls_cipher", "tls_sni", "tls_resumed", "fc_err", "tls_fc_err", "tls_client_err", "tls_client_ca_err", "message", "wrapper", "prefix", "prefix_fraction", "syslog_facility", "syslog_severity", "syslog_host", "syslog_tag", "syslog_pid", "syslog_msgid", "structured_data", "stream", "wrapper_time", "parts", "labels", "namespace", "pod", "container", "container_id", "dt", "hour",
        CASE WHEN wrapper LIKE 'docker%' THEN transform(split(from_utf8(raw), chr(10)), r -> json_extract_scalar(r, '$.log')) END AS logs,
        coalesce(raw, to_utf8(coalesce(replace(replace("prefix", '{f}', coalesce("prefix_fraction", '')), '{sd}', coalesce("structured_data", '')), '') || CASE format
            WHEN 'httplog' THEN
                coalesce("client_ip", '-') || ':' || coalesce(CAST("client_port" AS varchar), '-') || ' [' || date_format(clock, '%d/') || element_at(ARRAY['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'], CAST(month(clock) AS integer)) || date_format(clock, '/%Y:%H:%i:%s') || '.' || lpad(CAST(millisecond(clock) AS varchar), 3, '0') || '] ' || coalesce("frontend" || CASE WHEN "frontend_tls" THEN '~' ELSE '' END, '') || ' ' || coalesce("backend", '-') || '/' || coalesce("server", '-') || ' ' || coalesce(CAST("time_request_ms" AS varchar), '-') || '/' || coalesce(CAST("time_queue_ms" AS varchar), '-') || '/' || coalesce(CAST("time_connect_ms" AS varchar), '-') || '/' || coalesce(CAST("time_response_ms" AS varchar), '-') || '/' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("time_active_ms" AS varchar) || ' ' || coalesce(CAST("status" AS varchar), '-') || ' ' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("bytes_read" AS varchar) || ' ' || coalesce("request_cookie", '-') || ' ' || coalesce("response_cookie", '-') || ' ' || coalesce("termination_state", '-') || ' ' || coalesce(CAST("connections_process" AS varchar), '-') || '/' || coalesce(CAST("connections_frontend" AS varchar), '-') || '/' || coalesce(CAST("connections_backend" AS varchar), '-') || '/' || coalesce(CAST("connections_server" AS varchar), '-') || '/' || CASE WHEN "redispatched" THEN '+' ELSE '' END || CAST("retries" AS varchar) || ' ' || coalesce(CAST("queue_server" AS varchar), '-') || '/' || coalesce(CAST("queue_backend" AS varchar), '-') || ' ' || CASE WHEN "req_header_1" IS NOT NULL THEN '{' || concat_ws('|', "req_header_1", "req_header_2", "req_header_3", "req_header_4", "req_header_5", "req_header_6", "req_header_7", "req_header_8") || '} ' WHEN "header_1" IS NOT NULL THEN '{' || concat_ws('|', "header_1", "header_2", "header_3", "header_4", "header_5", "header_6", "header_7", "header_8") || '} ' ELSE '' END || CASE WHEN "res_header_1" IS NOT NULL THEN '{' || concat_ws('|', "res_header_1", "res_header_2", "res_header_3", "res_header_4", "res_header_5", "res_header_6", "res_header_7", "res_header_8") || '} ' ELSE '' END || '"' || coalesce(coalesce("http_request", "http_method" || ' ' || "http_path" || coalesce('?' || "http_query", '') || coalesce(' ' || "http_version", '')), '') || '"'
            WHEN 'httpslog' THEN
                coalesce("client_ip", '-') || ':' || coalesce(CAST("client_port" AS varchar), '-') || ' [' || date_format(clock, '%d/') || element_at(ARRAY['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'], CAST(month(clock) AS integer)) || date_format(clock, '/%Y:%H:%i:%s') || '.' || lpad(CAST(millisecond(clock) AS varchar), 3, '0') || '] ' || coalesce("frontend" || CASE WHEN "frontend_tls" THEN '~' ELSE '' END, '') || ' ' || coalesce("backend", '-') || '/' || coalesce("server", '-') || ' ' || coalesce(CAST("time_request_ms" AS varchar), '-') || '/' || coalesce(CAST("time_queue_ms" AS varchar), '-') || '/' || coalesce(CAST("time_connect_ms" AS varchar), '-') || '/' || coalesce(CAST("time_response_ms" AS varchar), '-') || '/' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("time_active_ms" AS varchar) || ' ' || coalesce(CAST("status" AS varchar), '-') || ' ' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("bytes_read" AS varchar) || ' ' || coalesce("request_cookie", '-') || ' ' || coalesce("response_cookie", '-') || ' ' || coalesce("termination_state", '-') || ' ' || coalesce(CAST("connections_process" AS varchar), '-') || '/' || coalesce(CAST("connections_frontend" AS varchar), '-') || '/' || coalesce(CAST("connections_backend" AS varchar), '-') || '/' || coalesce(CAST("connections_server" AS varchar), '-') || '/' || CASE WHEN "redispatched" THEN '+' ELSE '' END || CAST("retries" AS varchar) || ' ' || coalesce(CAST("queue_server" AS varchar), '-') || '/' || coalesce(CAST("queue_backend" AS varchar), '-') || ' ' || CASE WHEN "req_header_1" IS NOT NULL THEN '{' || concat_ws('|', "req_header_1", "req_header_2", "req_header_3", "req_header_4", "req_header_5", "req_header_6", "req_header_7", "req_header_8") || '} ' WHEN "header_1" IS NOT NULL THEN '{' || concat_ws('|', "header_1", "header_2", "header_3", "header_4", "header_5", "header_6", "header_7", "header_8") || '} ' ELSE '' END || CASE WHEN "res_header_1" IS NOT NULL THEN '{' || concat_ws('|', "res_header_1", "res_header_2", "res_header_3", "res_header_4", "res_header_5", "res_header_6", "res_header_7", "res_header_8") || '} ' ELSE '' END || '"' || coalesce(coalesce("http_request", "http_method" || ' ' || "http_path" || coalesce('?' || "http_query", '') || coalesce(' ' || "http_version", '')), '') || '"' || ' ' || coalesce("fc_err", '-') || '/' || coalesce("tls_fc_err", '-') || '/' || coalesce("tls_client_err", '-') || '/' || coalesce("tls_client_ca_err", '-') || '/' || coalesce("tls_resumed", '-') || ' ' || coalesce("tls_sni", '-') || '/' || coalesce("tls_version", '-') || '/' || coalesce("tls_cipher", '-')
            WHEN 'clf' THEN
                coalesce("client_ip", '-') || ' - - [' || date_format(clock, '%d/') || element_at(ARRAY['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'], CAST(month(clock) AS integer)) || date_format(clock, '/%Y:%H:%i:%s') || ' +0000' || '] ' || '"' || coalesce(coalesce("http_request", "http_method" || ' ' || "http_path" || coalesce('?' || "http_query", '') || coalesce(' ' || "http_version", '')), '') || '"' || ' ' || coalesce(CAST("status" AS varchar), '-') || ' ' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("bytes_read" AS varchar) || ' "" "" ' || coalesce(CAST("client_port" AS varchar), '-') || ' ' || lpad(CAST("accept_ms" AS varchar), 3, '0') || ' ' || '"' || coalesce("frontend" || CASE WHEN "frontend_tls" THEN '~' ELSE '' END, '') || '"' || ' ' || '"' || coalesce("backend", '') || '"' || ' ' || '"' || coalesce("server", '') || '"' || ' ' || coalesce(CAST("time_request_ms" AS varchar), '-') || ' ' || coalesce(CAST("time_queue_ms" AS varchar), '-') || ' ' || coalesce(CAST("time_connect_ms" AS varchar), '-') || ' ' || coalesce(CAST("time_response_ms" AS varchar), '-') || ' ' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("time_active_ms" AS varchar) || ' ' || coalesce("termination_state", '-') || ' ' || coalesce(CAST("connections_process" AS varchar), '-') || ' ' || coalesce(CAST("connections_frontend" AS varchar), '-') || ' ' || coalesce(CAST("connections_backend" AS varchar), '-') || ' ' || coalesce(CAST("connections_server" AS varchar), '-') || ' ' || CASE WHEN "redispatched" THEN '+' ELSE '' END || CAST("retries" AS varchar) || ' ' || coalesce(CAST("queue_server" AS varchar), '-') || ' ' || coalesce(CAST("queue_backend" AS varchar), '-') || ' ' || '"' || coalesce("request_cookie", '') || '"' || ' ' || '"' || coalesce("response_cookie", '') || '"' || ' ' || CASE WHEN "req_header_1" IS NOT NULL THEN '"' || concat_ws('" "', "req_header_1", "req_header_2", "req_header_3", "req_header_4", "req_header_5", "req_header_6", "req_header_7", "req_header_8") || '" ' ELSE '' END || CASE WHEN "res_header_1" IS NOT NULL THEN '"' || concat_ws('" "', "res_header_1", "res_header_2", "res_header_3", "res_header_4", "res_header_5", "res_header_6", "res_header_7", "res_header_8") || '"' ELSE '' END
            WHEN 'tcplog' THEN
                coalesce("client_ip", '-') || ':' || coalesce(CAST("client_port" AS varchar), '-') || ' [' || date_format(clock, '%d/') || element_at(ARRAY['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'], CAST(month(clock) AS integer)) || date_format(clock, '/%Y:%H:%i:%s') || '.' || lpad(CAST(millisecond(clock) AS varchar), 3, '0') || '] ' || coalesce("frontend" || CASE WHEN "frontend_tls" THEN '~' ELSE '' END, '') || ' ' || coalesce("backend", '-') || '/' || coalesce("server", '-') || ' ' || coalesce(CAST("time_queue_ms" AS varchar), '-') || '/' || coalesce(CAST("time_connect_ms" AS varchar), '-') || '/' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("time_total_ms" AS varchar) || ' ' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("bytes_read" AS varchar) || ' ' || coalesce("termination_state", '-') || ' ' || coalesce(CAST("connections_process" AS varchar), '-') || '/' || coalesce(CAST("connections_frontend" AS varchar), '-') || '/' || coalesce(CAST("connections_backend" AS varchar), '-') || '/' || coalesce(CAST("connections_server" AS varchar), '-') || '/' || CASE WHEN "redispatched" THEN '+' ELSE '' END || CAST("retries" AS varchar) || ' ' || coalesce(CAST("queue_server" AS varchar), '-') || '/' || coalesce(CAST("queue_backend" AS varchar), '-')
            WHEN 'tcplog-clf' THEN
                coalesce("client_ip", '-') || ' - - [' || date_format(clock, '%d/') || element_at(ARRAY['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'], CAST(month(clock) AS integer)) || date_format(clock, '/%Y:%H:%i:%s') || ' +0000' || '] "TCP " 000 ' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("bytes_read" AS varchar) || ' "" "" ' || coalesce(CAST("client_port" AS varchar), '-') || ' ' || lpad(CAST("accept_ms" AS varchar), 3, '0') || ' ' || '"' || coalesce("frontend" || CASE WHEN "frontend_tls" THEN '~' ELSE '' END, '') || '"' || ' ' || '"' || coalesce("backend", '') || '"' || ' ' || '"' || coalesce("server", '') || '"' || ' ' || coalesce(CAST("time_handshake_ms" AS varchar), '-') || ' ' || coalesce(CAST("time_queue_ms" AS varchar), '-') || ' ' || coalesce(CAST("time_connect_ms" AS varchar), '-') || ' ' || CASE WHEN "asap" THEN '+' ELSE '' END || CAST("time_total_ms" AS varchar) || ' ' || coalesce(CAST("bytes_uploaded" AS varchar), '-') || ' ' || coalesce("termination_state", '-') || '-- ' || coalesce(CAST("connections_process" AS varchar), '-') || ' ' || coalesce(CAST("connections_frontend" AS varchar), '-') || ' ' || coalesce(CAST("connections_backend" AS varchar), '-') || ' ' || coalesce(CAST("connections_server" AS varchar), '-') || ' ' || CASE WHEN "redispatched" THEN '+' ELSE '' END || CAST("retries" AS varchar) || ' ' || coalesce(CAST("queue_server" AS varchar), '-') || ' ' || coalesce(CAST("queue_backend" AS varchar), '-') || ' "" "" '
            WHEN 'default' THEN
                'Connect from ' || coalesce("client_ip", '-') || ':' || coalesce(CAST("client_port" AS varchar), '-') || ' to ' || coalesce("frontend_ip", '-') || ':' || coalesce(CAST("frontend_port" AS varchar), '-') || ' (' || coalesce("frontend", '-') || '/' || coalesce("mode", '-') || ')'
            WHEN 'error' THEN
                coalesce("client_ip", '-') || ':' || coalesce(CAST("client_port" AS varchar), '-') || ' [' || date_format(clock, '%d/') || element_at(ARRAY['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'], CAST(month(clock) AS integer)) || date_format(clock, '/%Y:%H:%i:%s') || '.' || lpad(CAST(millisecond(clock) AS varchar), 3, '0') || '] ' || coalesce("frontend", '-') || '/' || coalesce("bind", '-') || ': ' || coalesce("message", '-')
        END)) AS wrapped
    FROM (SELECT "node", "source", "offset", "path", "read_time", "flags", "format", "raw", "time", "utc_offset", "client_ip", "client_port", "frontend_ip", "frontend_port", "backend_ip", "backend_port", "server_ip", "server_port", "frontend", "frontend_tls", "bind", "mode", "backend", "server", "time_request_ms", "time_queue_ms", "time_connect_ms", "time_response_ms", "time_active_ms", "time_total_ms", "time_handshake_ms", "time_idle_ms", "time_to_request_ms", "time_data_ms", "time_user_ms", "status", "bytes_read", "bytes_uploaded", "asap", "request_cookie", "response_cookie", "termination_state", "connections_process", "connections_frontend", "connections_backend", "connections_server", "retries", "redispatched", "queue_server", "queue_backend", "http_method", "http_path", "http_query", "http_version", "http_request", "req_header_1", "req_header_2", "req_header_3", "req_header_4", "req_header_5", "req_header_6", "req_header_7", "req_header_8", "res_header_1", "res_header_2", "res_header_3", "res_header_4", "res_header_5", "res_header_6", "res_header_7", "res_header_8", "header_1", "header_2", "header_3", "header_4", "header_5", "header_6", "header_7", "header_8", "unique_id", "log_origin", "hostname", "pid", "frontend_log_counter", "request_counter", "accept_ms", "accept_seconds", "tls_version", "tls_cipher", "tls_sni", "tls_resumed", "fc_err", "tls_fc_err", "tls_client_err", "tls_client_ca_err", "message", "wrapper", "prefix", "prefix_fraction", "syslog_facility", "syslog_severity", "syslog_host", "syslog_tag", "syslog_pid", "syslog_msgid", "structured_data", "stream", "wrapper_time", "parts", "labels", "namespace", "pod", "container", "container_id", "dt", "hour", date_add('second', utc_offset, "time") AS clock FROM lake.logs.archive)
);

-- The same without repeats: rows of one identity (node, source, offset) and equal bytes stand once; if the bytes differ, all
-- of them stay. (Of a format of your own, whose lines these statements do not know, the fields are compared.)
-- Only conditions on node, source and offset reach below it, so for one day of a large archive put WHERE dt = '2026-11-22'
-- behind FROM lake.logs.archive_lines in a query like this view's.
CREATE OR REPLACE VIEW lake.logs.archive_distinct SECURITY INVOKER AS
SELECT "node", "source", "offset", "path", "read_time", "flags", "format", "raw", "time", "utc_offset", "client_ip", "client_port", "frontend_ip", "frontend_port", "backend_ip", "backend_port", "server_ip", "server_port", "frontend", "frontend_tls", "bind", "mode", "backend", "server", "time_request_ms", "time_queue_ms", "time_connect_ms", "time_response_ms", "time_active_ms", "time_total_ms", "time_handshake_ms", "time_idle_ms", "time_to_request_ms", "time_data_ms", "time_user_ms", "status", "bytes_read", "bytes_uploaded", "asap", "request_cookie", "response_cookie", "termination_state", "connections_process", "connections_frontend", "connections_backend", "connections_server", "retries", "redispatched", "queue_server", "queue_backend", "http_method", "http_path", "http_query", "http_version", "http_request", "req_header_1", "req_header_2", "req_header_3", "req_header_4", "req_header_5", "req_header_6", "req_header_7", "req_header_8", "res_header_1", "res_header_2", "res_header_3", "res_header_4", "res_header_5", "res_header_6", "res_header_7", "res_header_8", "header_1", "header_2", "header_3", "header_4", "header_5", "header_6", "header_7", "header_8", "unique_id", "log_origin", "hostname", "pid", "frontend_log_counter", "request_counter", "accept_ms", "accept_seconds", "tls_version", "tls_cipher", "tls_sni", "tls_resumed", "fc_err", "tls_fc_err", "tls_client_err", "tls_client_ca_err", "message", "wrapper", "prefix", "prefix_fraction", "syslog_facility", "syslog_severity", "syslog_host", "syslog_tag", "syslog_pid", "syslog_msgid", "structured_data", "stream", "wrapper_time", "parts", "labels", "namespace", "pod", "container", "container_id", "dt", "hour", wrapped, line
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY node, source, "offset", bitwise_and(flags, 1), wrapped,
            CASE WHEN wrapped IS NULL THEN json_format(CAST(ROW("format", "time", "utc_offset", "client_ip", "client_port", "frontend_ip", "frontend_port", "backend_ip", "backend_port", "server_ip", "server_port", "frontend", "frontend_tls", "bind", "mode", "backend", "server", "time_request_ms", "time_queue_ms", "time_connect_ms", "time_response_ms", "time_active_ms", "time_total_ms", "time_handshake_ms", "time_idle_ms", "time_to_request_ms", "time_data_ms", "time_user_ms", "status", "bytes_read", "bytes_uploaded", "asap", "request_cookie", "response_cookie", "termination_state", "connections_process", "connections_frontend", "connections_backend", "connections_server", "retries", "redispatched", "queue_server", "queue_backend", "http_method", "http_path", "http_query", "http_version", "http_request", "req_header_1", "req_header_2", "req_header_3", "req_header_4", "req_header_5", "req_header_6", "req_header_7", "req_header_8", "res_header_1", "res_header_2", "res_header_3", "res_header_4", "res_header_5", "res_header_6", "res_header_7", "res_header_8", "header_1", "header_2", "header_3", "header_4", "header_5", "header_6", "header_7", "header_8", "unique_id", "log_origin", "hostname", "pid", "frontend_log_counter", "request_counter", "accept_ms", "accept_seconds", "tls_version", "tls_cipher", "tls_sni", "tls_resumed", "fc_err", "tls_fc_err", "tls_client_err", "tls_client_ca_err", "message") AS json)) END
        ORDER BY dt, hour) AS copy
    FROM lake.logs.archive_lines
) WHERE copy = 1;
