//! Values on PostgreSQL's wire: BIGINT, TEXT, BYTEA, and what its functions answer (booleans, small integers).

use crate::{Row, StoreError, Value};
use std::error::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *kind == Type::INT8 => number.to_sql(kind, out),
            Self::Int(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            Self::Int(number) if *kind == Type::INT2 => i16::try_from(*number)?.to_sql(kind, out),
            Self::Text(text) if is_text(kind) => text.to_sql(kind, out),
            Self::Bytes(bytes) if *kind == Type::BYTEA => bytes.to_sql(kind, out),
            Self::Int(_) | Self::Text(_) | Self::Bytes(_) => {
                Err(format!("a parameter of this kind is not a {kind}").into())
            }
        }
    }

    fn accepts(kind: &Type) -> bool {
        is_text(kind) || [Type::INT8, Type::INT4, Type::INT2, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

fn is_text(kind: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN].contains(kind)
}

pub(crate) fn row(raw: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let columns = raw.columns().iter().enumerate();
    columns.map(|(column, head)| value(raw, column, head.type_())).collect::<Result<_, _>>().map(Row::new)
}

fn value(raw: &tokio_postgres::Row, column: usize, kind: &Type) -> Result<Value, StoreError> {
    let malformed = |_| StoreError::row(column, "readable");
    Ok(match kind {
        &Type::INT8 => raw.try_get::<_, Option<i64>>(column).map_err(malformed)?.into(),
        &Type::INT4 => raw.try_get::<_, Option<i32>>(column).map_err(malformed)?.into(),
        &Type::INT2 => raw.try_get::<_, Option<i16>>(column).map_err(malformed)?.map(i32::from).into(),
        &Type::BOOL => raw.try_get::<_, Option<bool>>(column).map_err(malformed)?.into(),
        &Type::BYTEA => raw.try_get::<_, Option<Vec<u8>>>(column).map_err(malformed)?.into(),
        &Type::VOID => Value::Null,
        text if is_text(text) => raw.try_get::<_, Option<String>>(column).map_err(malformed)?.into(),
        _ => return Err(StoreError::row(column, "BIGINT, TEXT or BYTEA (cast it)")),
    })
}
