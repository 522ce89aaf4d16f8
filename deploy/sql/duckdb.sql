-- Rebuilds the raw log lines out of the columns of archive objects.
-- Made by "go generate ./archive" (DuckDBMacros) from the log-format strings; do not edit.
--
--   SELECT decode(loghaul_line(t)) FROM loghaul_distinct('ARCHIVE/dt=2026-11-2*/*/*.parquet') t ORDER BY node, source, "offset";
--   SELECT status, count(*) FROM loghaul_archive('ARCHIVE/dt=*/*/*.parquet') WHERE dt = DATE '2026-11-22' GROUP BY ALL;
--
-- loghaul_line gives what "audit cat" prints, the line as HAProxy wrote it; loghaul_wrapped what lay in the file, with the
-- header of a container runtime. The column raw holds the lines that the columns do not give back. It may hold any bytes,
-- so both give a BLOB; decode makes it a VARCHAR.

-- %ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r
CREATE OR REPLACE MACRO loghaul_line_httplog(t) AS (
    coalesce(t.client_ip, '-')
    || ':'
    || coalesce(t.client_port::VARCHAR, '-')
    || ' ['
    || strftime(make_timestamp((epoch_ms(t.time) + t.utc_offset * 1000) * 1000), '%d/%b/%Y:%H:%M:%S.%g')
    || '] '
    || coalesce(t.frontend || CASE WHEN t.frontend_tls THEN '~' ELSE '' END, '')
    || ' '
    || coalesce(t.backend, '-')
    || '/'
    || coalesce(t.server, '-')
    || ' '
    || coalesce(t.time_request_ms::VARCHAR, '-')
    || '/'
    || coalesce(t.time_queue_ms::VARCHAR, '-')
    || '/'
    || coalesce(t.time_connect_ms::VARCHAR, '-')
    || '/'
    || coalesce(t.time_response_ms::VARCHAR, '-')
    || '/'
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.time_active_ms::VARCHAR
    || ' '
    || coalesce(t.status::VARCHAR, '-')
    || ' '
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.bytes_read::VARCHAR
    || ' '
    || coalesce(t.request_cookie, '-')
    || ' '
    || coalesce(t.response_cookie, '-')
    || ' '
    || coalesce(t.termination_state, '-')
    || ' '
    || coalesce(t.connections_process::VARCHAR, '-')
    || '/'
    || coalesce(t.connections_frontend::VARCHAR, '-')
    || '/'
    || coalesce(t.connections_backend::VARCHAR, '-')
    || '/'
    || coalesce(t.connections_server::VARCHAR, '-')
    || '/'
    || CASE WHEN t.redispatched THEN '+' ELSE '' END || t.retries::VARCHAR
    || ' '
    || coalesce(t.queue_server::VARCHAR, '-')
    || '/'
    || coalesce(t.queue_backend::VARCHAR, '-')
    || ' '
    || CASE WHEN t.req_header_1 IS NOT NULL THEN '{' || concat_ws('|', t.req_header_1, t.req_header_2, t.req_header_3, t.req_header_4, t.req_header_5, t.req_header_6, t.req_header_7, t.req_header_8) || '} ' WHEN t.header_1 IS NOT NULL THEN '{' || concat_ws('|', t.header_1, t.header_2, t.header_3, t.header_4, t.header_5, t.header_6, t.header_7, t.header_8) || '} ' ELSE '' END
    || CASE WHEN t.res_header_1 IS NOT NULL THEN '{' || concat_ws('|', t.res_header_1, t.res_header_2, t.res_header_3, t.res_header_4, t.res_header_5, t.res_header_6, t.res_header_7, t.res_header_8) || '} ' ELSE '' END
    || '"' || coalesce(coalesce(t.http_request, t.http_method || ' ' || t.http_path || coalesce('?' || t.http_query, '') || coalesce(' ' || t.http_version, '')), '') || '"'
);

-- %ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed] %[ssl_fc_sni]/%sslv/%sslc
CREATE OR REPLACE MACRO loghaul_line_httpslog(t) AS (
    coalesce(t.client_ip, '-')
    || ':'
    || coalesce(t.client_port::VARCHAR, '-')
    || ' ['
    || strftime(make_timestamp((epoch_ms(t.time) + t.utc_offset * 1000) * 1000), '%d/%b/%Y:%H:%M:%S.%g')
    || '] '
    || coalesce(t.frontend || CASE WHEN t.frontend_tls THEN '~' ELSE '' END, '')
    || ' '
    || coalesce(t.backend, '-')
    || '/'
    || coalesce(t.server, '-')
    || ' '
    || coalesce(t.time_request_ms::VARCHAR, '-')
    || '/'
    || coalesce(t.time_queue_ms::VARCHAR, '-')
    || '/'
    || coalesce(t.time_connect_ms::VARCHAR, '-')
    || '/'
    || coalesce(t.time_response_ms::VARCHAR, '-')
    || '/'
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.time_active_ms::VARCHAR
    || ' '
    || coalesce(t.status::VARCHAR, '-')
    || ' '
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.bytes_read::VARCHAR
    || ' '
    || coalesce(t.request_cookie, '-')
    || ' '
    || coalesce(t.response_cookie, '-')
    || ' '
    || coalesce(t.termination_state, '-')
    || ' '
    || coalesce(t.connections_process::VARCHAR, '-')
    || '/'
    || coalesce(t.connections_frontend::VARCHAR, '-')
    || '/'
    || coalesce(t.connections_backend::VARCHAR, '-')
    || '/'
    || coalesce(t.connections_server::VARCHAR, '-')
    || '/'
    || CASE WHEN t.redispatched THEN '+' ELSE '' END || t.retries::VARCHAR
    || ' '
    || coalesce(t.queue_server::VARCHAR, '-')
    || '/'
    || coalesce(t.queue_backend::VARCHAR, '-')
    || ' '
    || CASE WHEN t.req_header_1 IS NOT NULL THEN '{' || concat_ws('|', t.req_header_1, t.req_header_2, t.req_header_3, t.req_header_4, t.req_header_5, t.req_header_6, t.req_header_7, t.req_header_8) || '} ' WHEN t.header_1 IS NOT NULL THEN '{' || concat_ws('|', t.header_1, t.header_2, t.header_3, t.header_4, t.header_5, t.header_6, t.header_7, t.header_8) || '} ' ELSE '' END
    || CASE WHEN t.res_header_1 IS NOT NULL THEN '{' || concat_ws('|', t.res_header_1, t.res_header_2, t.res_header_3, t.res_header_4, t.res_header_5, t.res_header_6, t.res_header_7, t.res_header_8) || '} ' ELSE '' END
    || '"' || coalesce(coalesce(t.http_request, t.http_method || ' ' || t.http_path || coalesce('?' || t.http_query, '') || coalesce(' ' || t.http_version, '')), '') || '"'
    || ' '
    || coalesce(t.fc_err, '-')
    || '/'
    || coalesce(t.tls_fc_err, '-')
    || '/'
    || coalesce(t.tls_client_err, '-')
    || '/'
    || coalesce(t.tls_client_ca_err, '-')
    || '/'
    || coalesce(t.tls_resumed, '-')
    || ' '
    || coalesce(t.tls_sni, '-')
    || '/'
    || coalesce(t.tls_version, '-')
    || '/'
    || coalesce(t.tls_cipher, '-')
);

-- %{+Q}o %{-Q}ci - - [%trg] %r %ST %B "" "" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl
CREATE OR REPLACE MACRO loghaul_line_clf(t) AS (
    coalesce(t.client_ip, '-')
    || ' - - ['
    || strftime(make_timestamp((epoch_ms(t.time) + t.utc_offset * 1000) * 1000), '%d/%b/%Y:%H:%M:%S') || ' +0000'
    || '] '
    || '"' || coalesce(coalesce(t.http_request, t.http_method || ' ' || t.http_path || coalesce('?' || t.http_query, '') || coalesce(' ' || t.http_version, '')), '') || '"'
    || ' '
    || coalesce(t.status::VARCHAR, '-')
    || ' '
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.bytes_read::VARCHAR
    || ' "" "" '
    || coalesce(t.client_port::VARCHAR, '-')
    || ' '
    || lpad(t.accept_ms::VARCHAR, 3, '0')
    || ' '
    || '"' || coalesce(t.frontend || CASE WHEN t.frontend_tls THEN '~' ELSE '' END, '') || '"'
    || ' '
    || '"' || coalesce(t.backend, '') || '"'
    || ' '
    || '"' || coalesce(t.server, '') || '"'
    || ' '
    || coalesce(t.time_request_ms::VARCHAR, '-')
    || ' '
    || coalesce(t.time_queue_ms::VARCHAR, '-')
    || ' '
    || coalesce(t.time_connect_ms::VARCHAR, '-')
    || ' '
    || coalesce(t.time_response_ms::VARCHAR, '-')
    || ' '
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.time_active_ms::VARCHAR
    || ' '
    || coalesce(t.termination_state, '-')
    || ' '
    || coalesce(t.connections_process::VARCHAR, '-')
    || ' '
    || coalesce(t.connections_frontend::VARCHAR, '-')
    || ' '
    || coalesce(t.connections_backend::VARCHAR, '-')
    || ' '
    || coalesce(t.connections_server::VARCHAR, '-')
    || ' '
    || CASE WHEN t.redispatched THEN '+' ELSE '' END || t.retries::VARCHAR
    || ' '
    || coalesce(t.queue_server::VARCHAR, '-')
    || ' '
    || coalesce(t.queue_backend::VARCHAR, '-')
    || ' '
    || '"' || coalesce(t.request_cookie, '') || '"'
    || ' '
    || '"' || coalesce(t.response_cookie, '') || '"'
    || ' '
    || CASE WHEN t.req_header_1 IS NOT NULL THEN '"' || concat_ws('" "', t.req_header_1, t.req_header_2, t.req_header_3, t.req_header_4, t.req_header_5, t.req_header_6, t.req_header_7, t.req_header_8) || '" ' ELSE '' END
    || CASE WHEN t.res_header_1 IS NOT NULL THEN '"' || concat_ws('" "', t.res_header_1, t.res_header_2, t.res_header_3, t.res_header_4, t.res_header_5, t.res_header_6, t.res_header_7, t.res_header_8) || '"' ELSE '' END
);

-- %ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq
CREATE OR REPLACE MACRO loghaul_line_tcplog(t) AS (
    coalesce(t.client_ip, '-')
    || ':'
    || coalesce(t.client_port::VARCHAR, '-')
    || ' ['
    || strftime(make_timestamp((epoch_ms(t.time) + t.utc_offset * 1000) * 1000), '%d/%b/%Y:%H:%M:%S.%g')
    || '] '
    || coalesce(t.frontend || CASE WHEN t.frontend_tls THEN '~' ELSE '' END, '')
    || ' '
    || coalesce(t.backend, '-')
    || '/'
    || coalesce(t.server, '-')
    || ' '
    || coalesce(t.time_queue_ms::VARCHAR, '-')
    || '/'
    || coalesce(t.time_connect_ms::VARCHAR, '-')
    || '/'
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.time_total_ms::VARCHAR
    || ' '
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.bytes_read::VARCHAR
    || ' '
    || coalesce(t.termination_state, '-')
    || ' '
    || coalesce(t.connections_process::VARCHAR, '-')
    || '/'
    || coalesce(t.connections_frontend::VARCHAR, '-')
    || '/'
    || coalesce(t.connections_backend::VARCHAR, '-')
    || '/'
    || coalesce(t.connections_server::VARCHAR, '-')
    || '/'
    || CASE WHEN t.redispatched THEN '+' ELSE '' END || t.retries::VARCHAR
    || ' '
    || coalesce(t.queue_server::VARCHAR, '-')
    || '/'
    || coalesce(t.queue_backend::VARCHAR, '-')
);

-- %{+Q}o %{-Q}ci - - [%T] "TCP " 000 %B "" "" %cp %ms %ft %b %s %Th %Tw %Tc %Tt %U %ts-- %ac %fc %bc %sc %rc %sq %bq "" "" 
CREATE OR REPLACE MACRO loghaul_line_tcplog_clf(t) AS (
    coalesce(t.client_ip, '-')
    || ' - - ['
    || strftime(make_timestamp((epoch_ms(t.time) + t.utc_offset * 1000) * 1000), '%d/%b/%Y:%H:%M:%S') || ' +0000'
    || '] "TCP " 000 '
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.bytes_read::VARCHAR
    || ' "" "" '
    || coalesce(t.client_port::VARCHAR, '-')
    || ' '
    || lpad(t.accept_ms::VARCHAR, 3, '0')
    || ' '
    || '"' || coalesce(t.frontend || CASE WHEN t.frontend_tls THEN '~' ELSE '' END, '') || '"'
    || ' '
    || '"' || coalesce(t.backend, '') || '"'
    || ' '
    || '"' || coalesce(t.server, '') || '"'
    || ' '
    || coalesce(t.time_handshake_ms::VARCHAR, '-')
    || ' '
    || coalesce(t.time_queue_ms::VARCHAR, '-')
    || ' '
    || coalesce(t.time_connect_ms::VARCHAR, '-')
    || ' '
    || CASE WHEN t.asap THEN '+' ELSE '' END || t.time_total_ms::VARCHAR
    || ' '
    || coalesce(t.bytes_uploaded::VARCHAR, '-')
    || ' '
    || coalesce(t.termination_state, '-')
    || '-- '
    || coalesce(t.connections_process::VARCHAR, '-')
    || ' '
    || coalesce(t.connections_frontend::VARCHAR, '-')
    || ' '
    || coalesce(t.connections_backend::VARCHAR, '-')
    || ' '
    || coalesce(t.connections_server::VARCHAR, '-')
    || ' '
    || CASE WHEN t.redispatched THEN '+' ELSE '' END || t.retries::VARCHAR
    || ' '
    || coalesce(t.queue_server::VARCHAR, '-')
    || ' '
    || coalesce(t.queue_backend::VARCHAR, '-')
    || ' "" "" '
);

-- Connect from %ci:%cp to %fi:%fp (%f/%mode)
CREATE OR REPLACE MACRO loghaul_line_default(t) AS (
    'Connect from '
    || coalesce(t.client_ip, '-')
    || ':'
    || coalesce(t.client_port::VARCHAR, '-')
    || ' to '
    || coalesce(t.frontend_ip, '-')
    || ':'
    || coalesce(t.frontend_port::VARCHAR, '-')
    || ' ('
    || coalesce(t.frontend, '-')
    || '/'
    || coalesce(t.mode, '-')
    || ')'
);

-- %ci:%cp [%t] %f/%bind: %message
CREATE OR REPLACE MACRO loghaul_line_error(t) AS (
    coalesce(t.client_ip, '-')
    || ':'
    || coalesce(t.client_port::VARCHAR, '-')
    || ' ['
    || strftime(make_timestamp((epoch_ms(t.time) + t.utc_offset * 1000) * 1000), '%d/%b/%Y:%H:%M:%S.%g')
    || '] '
    || coalesce(t.frontend, '-')
    || '/'
    || coalesce(t.bind, '-')
    || ': '
    || coalesce(t.message, '-')
);

-- What stood before the message of a row: a header of syslog or of a container runtime, or nothing.
CREATE OR REPLACE MACRO loghaul_prefix(t) AS coalesce(replace(replace(t.prefix, '{f}', coalesce(t.prefix_fraction, '')), '{sd}', coalesce(t.structured_data, '')), '');

-- What lay in the file, byte for byte, without its LF. Of a line that a container runtime wrote as several
-- records (the column parts is set) all of them, with LFs between them.
CREATE OR REPLACE MACRO loghaul_wrapped(t) AS coalesce(t.raw, encode(loghaul_prefix(t) || CASE t.format
    WHEN 'httplog' THEN loghaul_line_httplog(t)
    WHEN 'httpslog' THEN loghaul_line_httpslog(t)
    WHEN 'clf' THEN loghaul_line_clf(t)
    WHEN 'tcplog' THEN loghaul_line_tcplog(t)
    WHEN 'tcplog-clf' THEN loghaul_line_tcplog_clf(t)
    WHEN 'default' THEN loghaul_line_default(t)
    WHEN 'error' THEN loghaul_line_error(t)
END));

-- The line of a row as HAProxy wrote it, byte for byte, without its LF: what a container runtime put around it is taken
-- off. (The text of Docker's JSON has U+FFFD for bytes that are not UTF-8, as Docker wrote it. What is no JSON to DuckDB
-- stays as it lay in the file.)
CREATE OR REPLACE MACRO loghaul_line(t) AS CASE
    WHEN t.wrapper = 'cri' OR t.wrapper LIKE 'cri+%' THEN
        regexp_replace(loghaul_wrapped(t)::VARCHAR, '(^|\\x0A)[^ ]+ std(?:out|err) [PF][^ ]* ?', '', 'g')::BLOB
    WHEN t.wrapper = 'docker' OR t.wrapper LIKE 'docker+%' THEN
        coalesce(encode(regexp_replace(array_to_string(TRY(
            [json_extract_string(r, '$.log') FOR r IN string_split(decode(t.raw), chr(10))]), ''), '\n$', '')), t.raw)
    ELSE loghaul_wrapped(t) END;

-- The rows of all objects that a pattern names. dt and hour come from the objects' names, and a condition on them leaves
-- files out. hive_types: hour = 09 is a text.
CREATE OR REPLACE MACRO loghaul_archive(files) AS TABLE
    SELECT * FROM read_parquet(files, union_by_name=true, hive_partitioning=true, hive_types={'dt': DATE, 'hour': VARCHAR});

-- The same without repeats: rows of one identity (node, source, offset) and equal bytes stand once; if the bytes differ,
-- all of them stay. (Of a format of your own, whose lines these macros do not know, the fields are compared.)
-- Conditions on dt, hour or time do not reach below it: name the days in the pattern.
CREATE OR REPLACE MACRO loghaul_distinct(files) AS TABLE
    SELECT * FROM loghaul_archive(files) t
    QUALIFY row_number() OVER (
        PARTITION BY node, source, "offset", flags & 1,
            coalesce(loghaul_wrapped(t), encode(ROW(t.format, t.time, t.utc_offset, t.client_ip, t.client_port, t.frontend_ip, t.frontend_port, t.backend_ip, t.backend_port, t.server_ip, t.server_port, t.frontend, t.frontend_tls, t.bind, t.mode, t.backend, t.server, t.time_request_ms, t.time_queue_ms, t.time_connect_ms, t.time_response_ms, t.time_active_ms, t.time_total_ms, t.time_handshake_ms, t.time_idle_ms, t.time_to_request_ms, t.time_data_ms, t.time_user_ms, t.status, t.bytes_read, t.bytes_uploaded, t.asap, t.request_cookie, t.response_cookie, t.termination_state, t.connections_process, t.connections_frontend, t.connections_backend, t.connections_server, t.retries, t.redispatched, t.queue_server, t.queue_backend, t.http_method, t.http_path, t.http_query, t.http_version, t.http_request, t.req_header_1, t.req_header_2, t.req_header_3, t.req_header_4, t.req_header_5, t.req_header_6, t.req_header_7, t.req_header_8, t.res_header_1, t.res_header_2, t.res_header_3, t.res_header_4, t.res_header_5, t.res_header_6, t.res_header_7, t.res_header_8, t.header_1, t.header_2, t.header_3, t.header_4, t.header_5, t.header_6, t.header_7, t.header_8, t.unique_id, t.log_origin, t.hostname, t.pid, t.frontend_log_counter, t.request_counter, t.accept_ms, t.accept_seconds, t.tls_version, t.tls_cipher, t.tls_sni, t.tls_resumed, t.fc_err, t.tls_fc_err, t.tls_client_err, t.tls_client_ca_err, t.message)::VARCHAR))
        ORDER BY dt, hour) = 1;
