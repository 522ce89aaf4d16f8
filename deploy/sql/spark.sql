-- Makes an archive a table of Spark, and its raw lines a column.
-- Made by "go generate ./archive" (SparkTables) from the columns and the log-format strings; do not edit.
--
-- Before: write your folder or s3a://bucket/prefix for LOCATION. Columns x_..., which formats of your own brought, can be
-- added: ALTER TABLE archive ADD COLUMN x_name STRING.
--
-- A new hour is seen after ALTER TABLE archive RECOVER PARTITIONS; new objects in a known one after REFRESH TABLE archive.
-- Names that begin with _ are passed over.

CREATE TABLE IF NOT EXISTS archive (
    `node` STRING,
    `source` STRING,
    `offset` BIGINT,
    `path` STRING,
    `read_time` TIMESTAMP,
    `flags` INT,
    `format` STRING,
    `raw` BINARY,
    `time` TIMESTAMP,
    `utc_offset` INT,
    `client_ip` STRING,
    `client_port` INT,
    `frontend_ip` STRING,
    `frontend_port` INT,
    `backend_ip` STRING,
    `backend_port` INT,
    `server_ip` STRING,
    `server_port` INT,
    `frontend` STRING,
    `frontend_tls` BOOLEAN,
    `bind` STRING,
    `mode` STRING,
    `backend` STRING,
    `server` STRING,
    `time_request_ms` INT,
    `time_queue_ms` INT,
    `time_connect_ms` INT,
    `time_response_ms` INT,
    `time_active_ms` INT,
    `time_total_ms` INT,
    `time_handshake_ms` INT,
    `time_idle_ms` INT,
    `time_to_request_ms` INT,
    `time_data_ms` INT,
    `time_user_ms` INT,
    `status` INT,
    `bytes_read` BIGINT,
    `bytes_uploaded` BIGINT,
    `asap` BOOLEAN,
    `request_cookie` STRING,
    `response_cookie` STRING,
    `termination_state` STRING,
    `connections_process` INT,
    `connections_frontend` INT,
    `connections_backend` INT,
    `connections_server` INT,
    `retries` INT,
    `redispatched` BOOLEAN,
    `queue_server` INT,
    `queue_backend` INT,
    `http_method` STRING,
    `http_path` STRING,
    `http_query` STRING,
    `http_version` STRING,
    `http_request` STRING,
    `req_header_1` STRING,
    `req_header_2` STRING,
    `req_header_3` STRING,
    `req_header_4` STRING,
    `req_header_5` STRING,
    `req_header_6` STRING,
    `req_header_7` STRING,
    `req_header_8` STRING,
    `res_header_1` STRING,
    `res_header_2` STRING,
    `res_header_3` STRING,
    `res_header_4` STRING,
    `res_header_5` STRING,
    `res_header_6` STRING,
    `res_header_7` STRING,
    `res_header_8` STRING,
    `header_1` STRING,
    `header_2` STRING,
    `header_3` STRING,
    `header_4` STRING,
    `header_5` STRING,
    `header_6` STRING,
    `header_7` STRING,
    `header_8` STRING,
    `unique_id` STRING,
    `log_origin` STRING,
    `hostname` STRING,
    `pid` INT,
    `frontend_log_counter` BIGINT,
    `request_counter` BIGINT,
    `accept_ms` INT,
    `accept_seconds` BIGINT,
    `tls_version` STRING,
    `tls_cipher` STRING,
    `tls_sni` STRING,
    `tls_resumed` STRING,
    `fc_err` STRING,
    `tls_fc_err` STRING,
    `tls_client_err` STRING,
    `tls_client_ca_err` STRING,
    `message` STRING,
    `wrapper` STRING,
    `prefix` STRING,
    `prefix_fraction` STRING,
    `syslog_facility` INT,
    `syslog_severity` INT,
    `syslog_host` STRING,
    `syslog_tag` STRING,
    `syslog_pid` STRING,
    `syslog_msgid` STRING,
    `structured_data` STRING,
    `stream` STRING,
    `wrapper_time` TIMESTAMP,
    `parts` STRING,
    `labels` STRING,
    `namespace` STRING,
    `pod` STRING,
    `container` STRING,
    `container_id` STRING,
    `dt` STRING,
    `hour` STRING
) USING PARQUET PARTITIONED BY (dt, hour) LOCATION 'LOCATION';

ALTER TABLE archive RECOVER PARTITIONS;

-- All columns, and:
-- wrapped  what lay in the file, byte for byte, without its LF. Of a line that a container runtime wrote as several records
--          (the column parts is set) all of them, with LFs between them.
-- line     the line as HAProxy wrote it: what a container runtime put around it is taken off. (The text of Docker's JSON has
--          U+FFFD for bytes that are not UTF-8, as Docker wrote it. What is no JSON to Spark stays as it lay in the file.)
-- They may hold any bytes; CAST(line AS STRING) makes them texts.
--
--   SELECT CAST(line AS STRING) FROM archive_lines WHERE dt = '2026-11-22' AND hour = '16' ORDER BY node, source, offset
CREATE OR REPLACE VIEW archive_lines AS
SELECT * EXCEPT (logs, clock, clock_ms, clock_day), CASE
    WHEN wrapper = 'cri' OR wrapper LIKE 'cri+%' THEN
        encode(regexp_replace(decode(wrapped, 'ISO-8859-1'), r'(^|\n)[^ \n]+ std(?:out|err) [PF][^ \n]* ?', ''), 'ISO-8859-1')
    WHEN (wrapper = 'docker' OR wrapper LIKE 'docker+%') AND forall(logs, log -> log IS NOT NULL) THEN
        CAST(regexp_extract(array_join(logs, ''), r'(?s)\A(.*?)\n?\z', 1) AS BINARY)
    ELSE wrapped END AS line
FROM (
    SELECT *,
        CASE WHEN wrapper LIKE 'docker%' THEN transform(split(CAST(raw AS STRING), r'\n', -1), r -> get_json_object(r, '$.log')) END AS logs,
        coalesce(raw, CAST(coalesce(replace(replace(`prefix`, '{f}', coalesce(`prefix_fraction`, '')), '{sd}', coalesce(`structured_data`, '')), '') || CASE format
            WHEN 'httplog' THEN
                coalesce(`client_ip`, '-') || ':' || coalesce(CAST(`client_port` AS STRING), '-') || ' [' || format_string('%02d/%s/%04d:%02d:%02d:%02d', day(clock_day), element_at(array('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'), month(clock_day)), year(clock_day), clock_ms DIV 3600000, clock_ms DIV 60000 % 60, clock_ms DIV 1000 % 60) || format_string('.%03d', clock_ms % 1000) || '] ' || coalesce(`frontend` || CASE WHEN `frontend_tls` THEN '~' ELSE '' END, '') || ' ' || coalesce(`backend`, '-') || '/' || coalesce(`server`, '-') || ' ' || coalesce(CAST(`time_request_ms` AS STRING), '-') || '/' || coalesce(CAST(`time_queue_ms` AS STRING), '-') || '/' || coalesce(CAST(`time_connect_ms` AS STRING), '-') || '/' || coalesce(CAST(`time_response_ms` AS STRING), '-') || '/' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`time_active_ms` AS STRING) || ' ' || coalesce(CAST(`status` AS STRING), '-') || ' ' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`bytes_read` AS STRING) || ' ' || coalesce(`request_cookie`, '-') || ' ' || coalesce(`response_cookie`, '-') || ' ' || coalesce(`termination_state`, '-') || ' ' || coalesce(CAST(`connections_process` AS STRING), '-') || '/' || coalesce(CAST(`connections_frontend` AS STRING), '-') || '/' || coalesce(CAST(`connections_backend` AS STRING), '-') || '/' || coalesce(CAST(`connections_server` AS STRING), '-') || '/' || CASE WHEN `redispatched` THEN '+' ELSE '' END || CAST(`retries` AS STRING) || ' ' || coalesce(CAST(`queue_server` AS STRING), '-') || '/' || coalesce(CAST(`queue_backend` AS STRING), '-') || ' ' || CASE WHEN `req_header_1` IS NOT NULL THEN '{' || concat_ws('|', `req_header_1`, `req_header_2`, `req_header_3`, `req_header_4`, `req_header_5`, `req_header_6`, `req_header_7`, `req_header_8`) || '} ' WHEN `header_1` IS NOT NULL THEN '{' || concat_ws('|', `header_1`, `header_2`, `header_3`, `header_4`, `header_5`, `header_6`, `header_7`, `header_8`) || '} ' ELSE '' END || CASE WHEN `res_header_1` IS NOT NULL THEN '{' || concat_ws('|', `res_header_1`, `res_header_2`, `res_header_3`, `res_header_4`, `res_header_5`, `res_header_6`, `res_header_7`, `res_header_8`) || '} ' ELSE '' END || '"' || coalesce(coalesce(`http_request`, `http_method` || ' ' || `http_path` || coalesce('?' || `http_query`, '') || coalesce(' ' || `http_version`, '')), '') || '"'
            WHEN 'httpslog' THEN
                coalesce(`client_ip`, '-') || ':' || coalesce(CAST(`client_port` AS STRING), '-') || ' [' || format_string('%02d/%s/%04d:%02d:%02d:%02d', day(clock_day), element_at(array('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'), month(clock_day)), year(clock_day), clock_ms DIV 3600000, clock_ms DIV 60000 % 60, clock_ms DIV 1000 % 60) || format_string('.%03d', clock_ms % 1000) || '] ' || coalesce(`frontend` || CASE WHEN `frontend_tls` THEN '~' ELSE '' END, '') || ' ' || coalesce(`backend`, '-') || '/' || coalesce(`server`, '-') || ' ' || coalesce(CAST(`time_request_ms` AS STRING), '-') || '/' || coalesce(CAST(`time_queue_ms` AS STRING), '-') || '/' || coalesce(CAST(`time_connect_ms` AS STRING), '-') || '/' || coalesce(CAST(`time_response_ms` AS STRING), '-') || '/' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`time_active_ms` AS STRING) || ' ' || coalesce(CAST(`status` AS STRING), '-') || ' ' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`bytes_read` AS STRING) || ' ' || coalesce(`request_cookie`, '-') || ' ' || coalesce(`response_cookie`, '-') || ' ' || coalesce(`termination_state`, '-') || ' ' || coalesce(CAST(`connections_process` AS STRING), '-') || '/' || coalesce(CAST(`connections_frontend` AS STRING), '-') || '/' || coalesce(CAST(`connections_backend` AS STRING), '-') || '/' || coalesce(CAST(`connections_server` AS STRING), '-') || '/' || CASE WHEN `redispatched` THEN '+' ELSE '' END || CAST(`retries` AS STRING) || ' ' || coalesce(CAST(`queue_server` AS STRING), '-') || '/' || coalesce(CAST(`queue_backend` AS STRING), '-') || ' ' || CASE WHEN `req_header_1` IS NOT NULL THEN '{' || concat_ws('|', `req_header_1`, `req_header_2`, `req_header_3`, `req_header_4`, `req_header_5`, `req_header_6`, `req_header_7`, `req_header_8`) || '} ' WHEN `header_1` IS NOT NULL THEN '{' || concat_ws('|', `header_1`, `header_2`, `header_3`, `header_4`, `header_5`, `header_6`, `header_7`, `header_8`) || '} ' ELSE '' END || CASE WHEN `res_header_1` IS NOT NULL THEN '{' || concat_ws('|', `res_header_1`, `res_header_2`, `res_header_3`, `res_header_4`, `res_header_5`, `res_header_6`, `res_header_7`, `res_header_8`) || '} ' ELSE '' END || '"' || coalesce(coalesce(`http_request`, `http_method` || ' ' || `http_path` || coalesce('?' || `http_query`, '') || coalesce(' ' || `http_version`, '')), '') || '"' || ' ' || coalesce(`fc_err`, '-') || '/' || coalesce(`tls_fc_err`, '-') || '/' || coalesce(`tls_client_err`, '-') || '/' || coalesce(`tls_client_ca_err`, '-') || '/' || coalesce(`tls_resumed`, '-') || ' ' || coalesce(`tls_sni`, '-') || '/' || coalesce(`tls_version`, '-') || '/' || coalesce(`tls_cipher`, '-')
            WHEN 'clf' THEN
                coalesce(`client_ip`, '-') || ' - - [' || format_string('%02d/%s/%04d:%02d:%02d:%02d', day(clock_day), element_at(array('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'), month(clock_day)), year(clock_day), clock_ms DIV 3600000, clock_ms DIV 60000 % 60, clock_ms DIV 1000 % 60) || ' +0000' || '] ' || '"' || coalesce(coalesce(`http_request`, `http_method` || ' ' || `http_path` || coalesce('?' || `http_query`, '') || coalesce(' ' || `http_version`, '')), '') || '"' || ' ' || coalesce(CAST(`status` AS STRING), '-') || ' ' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`bytes_read` AS STRING) || ' "" "" ' || coalesce(CAST(`client_port` AS STRING), '-') || ' ' || lpad(CAST(`accept_ms` AS STRING), 3, '0') || ' ' || '"' || coalesce(`frontend` || CASE WHEN `frontend_tls` THEN '~' ELSE '' END, '') || '"' || ' ' || '"' || coalesce(`backend`, '') || '"' || ' ' || '"' || coalesce(`server`, '') || '"' || ' ' || coalesce(CAST(`time_request_ms` AS STRING), '-') || ' ' || coalesce(CAST(`time_queue_ms` AS STRING), '-') || ' ' || coalesce(CAST(`time_connect_ms` AS STRING), '-') || ' ' || coalesce(CAST(`time_response_ms` AS STRING), '-') || ' ' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`time_active_ms` AS STRING) || ' ' || coalesce(`termination_state`, '-') || ' ' || coalesce(CAST(`connections_process` AS STRING), '-') || ' ' || coalesce(CAST(`connections_frontend` AS STRING), '-') || ' ' || coalesce(CAST(`connections_backend` AS STRING), '-') || ' ' || coalesce(CAST(`connections_server` AS STRING), '-') || ' ' || CASE WHEN `redispatched` THEN '+' ELSE '' END || CAST(`retries` AS STRING) || ' ' || coalesce(CAST(`queue_server` AS STRING), '-') || ' ' || coalesce(CAST(`queue_backend` AS STRING), '-') || ' ' || '"' || coalesce(`request_cookie`, '') || '"' || ' ' || '"' || coalesce(`response_cookie`, '') || '"' || ' ' || CASE WHEN `req_header_1` IS NOT NULL THEN '"' || concat_ws('" "', `req_header_1`, `req_header_2`, `req_header_3`, `req_header_4`, `req_header_5`, `req_header_6`, `req_header_7`, `req_header_8`) || '" ' ELSE '' END || CASE WHEN `res_header_1` IS NOT NULL THEN '"' || concat_ws('" "', `res_header_1`, `res_header_2`, `res_header_3`, `res_header_4`, `res_header_5`, `res_header_6`, `res_header_7`, `res_header_8`) || '"' ELSE '' END
            WHEN 'tcplog' THEN
                coalesce(`client_ip`, '-') || ':' || coalesce(CAST(`client_port` AS STRING), '-') || ' [' || format_string('%02d/%s/%04d:%02d:%02d:%02d', day(clock_day), element_at(array('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'), month(clock_day)), year(clock_day), clock_ms DIV 3600000, clock_ms DIV 60000 % 60, clock_ms DIV 1000 % 60) || format_string('.%03d', clock_ms % 1000) || '] ' || coalesce(`frontend` || CASE WHEN `frontend_tls` THEN '~' ELSE '' END, '') || ' ' || coalesce(`backend`, '-') || '/' || coalesce(`server`, '-') || ' ' || coalesce(CAST(`time_queue_ms` AS STRING), '-') || '/' || coalesce(CAST(`time_connect_ms` AS STRING), '-') || '/' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`time_total_ms` AS STRING) || ' ' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`bytes_read` AS STRING) || ' ' || coalesce(`termination_state`, '-') || ' ' || coalesce(CAST(`connections_process` AS STRING), '-') || '/' || coalesce(CAST(`connections_frontend` AS STRING), '-') || '/' || coalesce(CAST(`connections_backend` AS STRING), '-') || '/' || coalesce(CAST(`connections_server` AS STRING), '-') || '/' || CASE WHEN `redispatched` THEN '+' ELSE '' END || CAST(`retries` AS STRING) || ' ' || coalesce(CAST(`queue_server` AS STRING), '-') || '/' || coalesce(CAST(`queue_backend` AS STRING), '-')
            WHEN 'tcplog-clf' THEN
                coalesce(`client_ip`, '-') || ' - - [' || format_string('%02d/%s/%04d:%02d:%02d:%02d', day(clock_day), element_at(array('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'), month(clock_day)), year(clock_day), clock_ms DIV 3600000, clock_ms DIV 60000 % 60, clock_ms DIV 1000 % 60) || ' +0000' || '] "TCP " 000 ' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`bytes_read` AS STRING) || ' "" "" ' || coalesce(CAST(`client_port` AS STRING), '-') || ' ' || lpad(CAST(`accept_ms` AS STRING), 3, '0') || ' ' || '"' || coalesce(`frontend` || CASE WHEN `frontend_tls` THEN '~' ELSE '' END, '') || '"' || ' ' || '"' || coalesce(`backend`, '') || '"' || ' ' || '"' || coalesce(`server`, '') || '"' || ' ' || coalesce(CAST(`time_handshake_ms` AS STRING), '-') || ' ' || coalesce(CAST(`time_queue_ms` AS STRING), '-') || ' ' || coalesce(CAST(`time_connect_ms` AS STRING), '-') || ' ' || CASE WHEN `asap` THEN '+' ELSE '' END || CAST(`time_total_ms` AS STRING) || ' ' || coalesce(CAST(`bytes_uploaded` AS STRING), '-') || ' ' || coalesce(`termination_state`, '-') || '-- ' || coalesce(CAST(`connections_process` AS STRING), '-') || ' ' || coalesce(CAST(`connections_frontend` AS STRING), '-') || ' ' || coalesce(CAST(`connections_backend` AS STRING), '-') || ' ' || coalesce(CAST(`connections_server` AS STRING), '-') || ' ' || CASE WHEN `redispatched` THEN '+' ELSE '' END || CAST(`retries` AS STRING) || ' ' || coalesce(CAST(`queue_server` AS STRING), '-') || ' ' || coalesce(CAST(`queue_backend` AS STRING), '-') || ' "" "" '
            WHEN 'default' THEN
                'Connect from ' || coalesce(`client_ip`, '-') || ':' || coalesce(CAST(`client_port` AS STRING), '-') || ' to ' || coalesce(`frontend_ip`, '-') || ':' || coalesce(CAST(`frontend_port` AS STRING), '-') || ' (' || coalesce(`frontend`, '-') || '/' || coalesce(`mode`, '-') || ')'
            WHEN 'error' THEN
                coalesce(`client_ip`, '-') || ':' || coalesce(CAST(`client_port` AS STRING), '-') || ' [' || format_string('%02d/%s/%04d:%02d:%02d:%02d', day(clock_day), element_at(array('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'), month(clock_day)), year(clock_day), clock_ms DIV 3600000, clock_ms DIV 60000 % 60, clock_ms DIV 1000 % 60) || format_string('.%03d', clock_ms % 1000) || '] ' || coalesce(`frontend`, '-') || '/' || coalesce(`bind`, '-') || ': ' || coalesce(`message`, '-')
        END AS BINARY)) AS wrapped
    FROM (
        SELECT *, pmod(clock, 86400000) AS clock_ms, date_add(DATE '1970-01-01', CAST((clock - pmod(clock, 86400000)) DIV 86400000 AS INT)) AS clock_day
        FROM (SELECT *, unix_millis(time) + utc_offset * 1000 AS clock FROM archive)
    )
);

-- The same without repeats: rows of one identity (node, source, offset) and equal bytes stand once; if the bytes differ, all
-- of them stay. (Of a format of your own, whose lines these statements do not know, the fields are compared.)
-- Only conditions on node, source and offset reach below it, so for one day of a large archive put WHERE dt = '2026-11-22'
-- behind FROM archive_lines in a query like this view's.
CREATE OR REPLACE VIEW archive_distinct AS
SELECT * EXCEPT (copy)
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY node, source, offset, flags & 1, wrapped, CASE WHEN wrapped IS NULL THEN to_json(struct(`format`, `time`, `utc_offset`, `client_ip`, `client_port`, `frontend_ip`, `frontend_port`, `backend_ip`, `backend_port`, `server_ip`, `server_port`, `frontend`, `frontend_tls`, `bind`, `mode`, `backend`, `server`, `time_request_ms`, `time_queue_ms`, `time_connect_ms`, `time_response_ms`, `time_active_ms`, `time_total_ms`, `time_handshake_ms`, `time_idle_ms`, `time_to_request_ms`, `time_data_ms`, `time_user_ms`, `status`, `bytes_read`, `bytes_uploaded`, `asap`, `request_cookie`, `response_cookie`, `termination_state`, `connections_process`, `connections_frontend`, `connections_backend`, `connections_server`, `retries`, `redispatched`, `queue_server`, `queue_backend`, `http_method`, `http_path`, `http_query`, `http_version`, `http_request`, `req_header_1`, `req_header_2`, `req_header_3`, `req_header_4`, `req_header_5`, `req_header_6`, `req_header_7`, `req_header_8`, `res_header_1`, `res_header_2`, `res_header_3`, `res_header_4`, `res_header_5`, `res_header_6`, `res_header_7`, `res_header_8`, `header_1`, `header_2`, `header_3`, `header_4`, `header_5`, `header_6`, `header_7`, `header_8`, `unique_id`, `log_origin`, `hostname`, `pid`, `frontend_log_counter`, `request_counter`, `accept_ms`, `accept_seconds`, `tls_version`, `tls_cipher`, `tls_sni`, `tls_resumed`, `fc_err`, `tls_fc_err`, `tls_client_err`, `tls_client_ca_err`, `message`)) END
        ORDER BY dt, hour) AS copy
    FROM archive_lines
) WHERE copy = 1;
