module github.com/loghaul/loghaul

go 1.26.0
