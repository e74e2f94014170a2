//! The options that take a password without naming it, by command. Data only; `command.rs` reads it.

/// The value of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A password.
    Secret,
    /// `user:password`; the user is kept.
    Pair(char),
    /// A password joined to the option: `-pX`; after a space it has another meaning.
    Attached,
    /// A password, but not joined to the option: `-key` is not `-k ey`.
    Apart,
    /// A password, after a subcommand that logs in.
    Login,
}

pub(super) struct Command {
    pub(super) names: &'static [&'static str],
    pub(super) options: &'static [(&'static str, Takes)],
}

/// From the manuals of these commands; options that read a password from a file are not listed.
pub(super) static COMMANDS: [Command; 15] = [
    Command {
        names: &["curl", "wget", "http", "https", "httpie", "xh"],
        options: &[
            ("-u", Takes::Pair(':')),
            ("--user", Takes::Pair(':')),
            ("-U", Takes::Pair(':')),
            ("--proxy-user", Takes::Pair(':')),
            ("-a", Takes::Pair(':')),
            ("--auth", Takes::Pair(':')),
            ("-E", Takes::Pair(':')),
            ("--cert", Takes::Pair(':')),
            ("-b", Takes::Pair('=')),
        ],
    },
    Command {
        names: &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlimport",
            "mysqlcheck",
            "mysqlshow",
            "mysqlsh",
            "mysqlslap",
            "mysqlbinlog",
            "mariadb",
            "mariadb-dump",
            "mariadb-admin",
            "mycli",
            "mydumper",
            "myloader",
        ],
        options: &[("-p", Takes::Attached)],
    },
    Command {
        names: &[
            "sshpass",
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "mongoimport",
            "mongoexport",
            "cqlsh",
            "beeline",
            "twine",
            "dsbulk",
            "hdbsql",
            "7z",
            "7za",
            "rar",
            "unrar",
            "jfrog",
            "jf",
        ],
        options: &[("-p", Takes::Secret)],
    },
    Command {
        names: &["exaplus"],
        options: &[("-p", Takes::Secret), ("-P", Takes::Secret)],
    },
    Command {
        names: &["aws", "databricks"],
        options: &[
            ("--sse-c-key", Takes::Secret),
            ("--string-value", Takes::Secret),
        ],
    },
    // Elsewhere the same letter publishes a port.
    Command {
        names: &[
            "docker", "podman", "helm", "skopeo", "buildah", "oc", "crane", "nerdctl", "oras",
            "az", "airflow",
        ],
        options: &[("-p", Takes::Login)],
    },
    Command {
        names: &["redis-cli", "valkey-cli", "keydb-cli", "redis-benchmark"],
        options: &[("-a", Takes::Secret), ("--pass", Takes::Secret)],
    },
    Command {
        names: &[
            "sqlcmd", "bcp", "osql", "tsql", "dtexec", "zip", "unzip", "freebcp",
        ],
        options: &[("-P", Takes::Secret)],
    },
    Command {
        names: &["ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami", "vsql"],
        options: &[("-w", Takes::Secret)],
    },
    Command {
        names: &["smbclient", "rpcclient"],
        options: &[("-U", Takes::Pair('%'))],
    },
    Command {
        names: &["lftp", "ncftpget", "ncftpput"],
        options: &[("-u", Takes::Pair(',')), ("-p", Takes::Secret)],
    },
    Command {
        names: &["openssl"],
        options: &[
            ("-passin", Takes::Pair(':')),
            ("-passout", Takes::Pair(':')),
            ("-pass", Takes::Pair(':')),
            ("-k", Takes::Apart),
            ("-K", Takes::Apart),
        ],
    },
    Command {
        names: &["ssh-keygen"],
        options: &[("-N", Takes::Secret), ("-P", Takes::Secret)],
    },
    Command {
        names: &["ab", "hey"],
        options: &[("-A", Takes::Pair(':')), ("-a", Takes::Pair(':'))],
    },
    Command {
        names: &["plink", "pscp", "psexec"],
        options: &[("-p", Takes::Secret), ("-pw", Takes::Secret)],
    },
];
