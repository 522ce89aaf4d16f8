// Package sql has the SQL engines DuckDB, Trino and Spark open an archive with
// the statements of deploy/sql, and compares what they give with the bytes that
// HAProxy wrote and with what its second channel says about them. Each engine is
// started once and answers all questions.
package sql
