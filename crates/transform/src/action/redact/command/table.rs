//! The options that take a password without naming it, by command. Data only; `command.rs` reads it.

/// The value of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OptionValue {
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
    pub(super) options: &'static [(&'static str, OptionValue)],
}

/// From the manuals of these commands; options that read a password from a file are not listed.
pub(super) static COMMANDS: [Command; 15] = [
    Command {
        names: &["curl", "wget", "http", "https", "httpie", "xh"],
        options: &[
            ("-u", OptionValue::Pair(':')),
            ("--user", OptionValue::Pair(':')),
            ("-U", OptionValue::Pair(':')),
            ("--proxy-user", OptionValue::Pair(':')),
            ("-a", OptionValue::Pair(':')),
            ("--auth", OptionValue::Pair(':')),
            ("-E", OptionValue::Pair(':')),
            ("--cert", OptionValue::Pair(':')),
            ("-b", OptionValue::Pair('=')),
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
        options: &[("-p", OptionValue::Attached)],
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
        options: &[("-p", OptionValue::Secret)],
    },
    Command {
        names: &["exaplus"],
        options: &[("-p", OptionValue::Secret), ("-P", OptionValue::Secret)],
    },
    Command {
        names: &["aws", "databricks"],
        options: &[
            ("--sse-c-key", OptionValue::Secret),
            ("--string-value", OptionValue::Secret),
        ],
    },
    // Elsewhere the same letter publishes a port.
    Command {
        names: &[
            "docker", "podman", "helm", "skopeo", "buildah", "oc", "crane", "nerdctl", "oras",
            "az", "airflow",
        ],
        options: &[("-p", OptionValue::Login)],
    },
    Command {
        names: &["redis-cli", "valkey-cli", "keydb-cli", "redis-benchmark"],
        options: &[("-a", OptionValue::Secret), ("--pass", OptionValue::Secret)],
    },
    Command {
        names: &[
            "sqlcmd", "bcp", "osql", "tsql", "dtexec", "zip", "unzip", "freebcp",
        ],
        options: &[("-P", OptionValue::Secret)],
    },
    Command {
        names: &["ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami", "vsql"],
        options: &[("-w", OptionValue::Secret)],
    },
    Command {
        names: &["smbclient", "rpcclient"],
        options: &[("-U", OptionValue::Pair('%'))],
    },
    Command {
        names: &["lftp", "ncftpget", "ncftpput"],
        options: &[("-u", OptionValue::Pair(',')), ("-p", OptionValue::Secret)],
    },
    Command {
        names: &["openssl"],
        options: &[
            ("-passin", OptionValue::Pair(':')),
            ("-passout", OptionValue::Pair(':')),
            ("-pass", OptionValue::Pair(':')),
            ("-k", OptionValue::Apart),
            ("-K", OptionValue::Apart),
        ],
    },
    Command {
        names: &["ssh-keygen"],
        options: &[("-N", OptionValue::Secret), ("-P", OptionValue::Secret)],
    },
    Command {
        names: &["ab", "hey"],
        options: &[
            ("-A", OptionValue::Pair(':')),
            ("-a", OptionValue::Pair(':')),
        ],
    },
    Command {
        names: &["plink", "pscp", "psexec"],
        options: &[("-p", OptionValue::Secret), ("-pw", OptionValue::Secret)],
    },
];
